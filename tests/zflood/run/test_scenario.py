"""The form of a scenario: settings, steps, expectations, and what is wrong with one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from zflood.commands.scenarios import shipped, text_of
from zflood.run import steps
from zflood.run.expectation import expectation
from zflood.run.figures import LABELS
from zflood.run.scenario import Connect, Messages, ScenarioError, Step, read

DOCUMENT = (Path(__file__).parents[3] / "docs" / "scenarios.md").read_text()
SMALL = 'title = "t"\nexpect = ["lost == $lost"]\n[settings]\nlost = 0\nclients = 5\n[[steps]]\n'


def test_settings_keep_their_kind_and_stand_within_words() -> None:
    text = SMALL + 'do = "connect"\nclients = "$clients"\npath = "/x/%d?id=$lost"\n'
    step = read(text).plays[0].steps[0]
    assert isinstance(step, Connect)
    assert (step.clients, step.path) == (5, "/x/%d?id=0")


def test_a_setting_given_by_hand_goes_before_the_file_and_a_run_before_both() -> None:
    runs = '[[runs]]\nname = "a"\n[[runs]]\nname = "b"\nset = { clients = 7 }\n[[steps]]'
    text = SMALL.replace("[[steps]]", runs) + 'do = "connect"\nclients = "$clients"\n'
    found = [play.steps[0] for play in read(text, {"clients": "1_000"}).plays]
    assert [step.clients for step in found if isinstance(step, Connect)] == [1000, 7]


def test_steps_of_one_kind_get_names_of_their_own() -> None:
    text = SMALL + "\n[[steps]]\n".join(['do = "rest"\nseconds = 1\n'] * 3)
    assert [step.name for step in read(text).plays[0].steps] == ["rest", "rest-2", "rest-3"]


def test_an_hour_of_messages_is_counted() -> None:
    assert Messages(max_id=1, per_s=1000, hours=1).messages() == 3_600_000
    assert Messages(max_id=1, per_s=10, seconds=3).messages() == 30


@pytest.mark.parametrize(
    ("text", "figure", "holds"),
    [
        ("a.b_ms <= 3", 3.0, True),
        ("a.b_ms<3", 3.0, False),
        ("a.b_ms != 3", 4.0, True),
        ("a.b_ms >= -1.5e3", -1500.0, True),
        ("a.b_ms == 10_000", 10_000, True),
        ("a.b_ms > 0", 0, False),
    ],
)
def test_expectations_compare(text: str, figure: float, holds: bool) -> None:
    one = expectation(text)
    assert one.holds({"a.b_ms": figure}) is holds
    assert not one.holds({})


@pytest.mark.parametrize(
    ("figures", "holds"),
    [
        ({"a": 9.0, "b": 100.0}, False),
        ({"a": 1.0, "b": 100.0}, True),
        ({"a": 9.0, "b": 99.0}, None),
        ({"b": 99.0}, None),
        ({"b": 100.0}, False),
        ({"a": 9.0}, False),  # whether it is for this run was never found out
    ],
)
def test_an_expectation_may_be_for_runs_of_some_size_only(
    figures: dict[str, float], holds: bool | None
) -> None:
    assert expectation("a <= 5 if b >= 100").holds(figures) is holds


def test_sums_and_products_of_settings_are_reckoned() -> None:
    text = (
        SMALL.replace("$lost", "$clients + $clients * 3") + 'do = "connect"\nclients = "$clients * 1_000 + 1"'
    )
    (play,) = read(text, {"clients": "7"}).plays
    assert str(play.expect[0]) == "lost == 28"
    assert isinstance(play.steps[0], Connect)
    assert play.steps[0].clients == 7001


def test_the_title_says_the_settings_that_were_given() -> None:
    title = read(
        SMALL.replace('"t"', '"$clients clients"') + 'do = "rest"\nseconds = 1', {"clients": "5000"}
    ).title
    assert title == "5,000 clients"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("title = ", "not TOML"),
        ("a = " + "[" * 5000, "nested too deeply"),
        ("a = " + "9" * 5000, "not TOML"),
        (SMALL + 'do = "rest"\nseconds = nan', ">= 0"),
        (SMALL + 'do = "connect"\nclients = 1\nprocesses = 513', "<= 512"),
        ('title = "t"', "steps"),
        (SMALL + 'do = "dance"', "dance"),
        (SMALL + 'do = "connect"\nclients = 0', ">= 1"),
        (SMALL + 'do = "rest"\nname = "v1.0"\nseconds = 1', "name"),
        (SMALL + 'do = "rest"\nseconds = inf', "<= 1000000000"),
        ("runs = []\n" + SMALL + 'do = "rest"\nseconds = 1', "no runs"),
        (SMALL + 'do = "connect"\nclients = "$nobody"', "no setting 'nobody'"),
        (SMALL + 'do = "connect"\nclients = "100 $"', "100 $"),
        (SMALL + 'do = "connect"\nclients = 1\nclinets = 2', "clinets"),
        (SMALL + 'do = "messages"\nmax_id = 1', "count"),
        (SMALL + 'do = "messages"\nmax_id = 1\ncount = 1\nhours = 1\nper_s = 1', "count"),
        (SMALL + 'do = "messages"\nmax_id = 1\nhours = 1', "per_s"),
        (SMALL + 'do = "messages"\nmax_id = 1\ncount = 1\npublish = true', "per_s"),
        (SMALL + 'do = "follows"\nusers = 20\neach = 7.5', "zipf"),
        (SMALL + 'do = "follows"\nusers = 20\nfollowed = 2', "zipf"),
        (SMALL.replace("$lost", "many") + 'do = "rest"\nseconds = 1', "lost == many"),
        (
            SMALL + 'do = "rest"\nseconds = 1\n[[beside]]\nwhat = "w"\ntheirs = "t"\nfigure = "f"\nrun = "x"',
            "no run 'x'",
        ),
        (SMALL + 'do = "rest"\nseconds = 1\n[[runs]]\nname = "a b"\n[[runs]]\nname = "A-B"', "one name"),
    ],
)
def test_what_is_wrong_is_said(text: str, why: str) -> None:
    with pytest.raises(ScenarioError, match=re.escape(why)):
        read(text)


@pytest.mark.parametrize(
    ("change", "why"), [({"clients": "many"}, "not int"), ({"colour": "red"}, "lost, clients")]
)
def test_a_setting_that_cannot_be_is_said(change: dict[str, str], why: str) -> None:
    with pytest.raises(ScenarioError, match=re.escape(why)):
        read(SMALL + 'do = "rest"\nseconds = 1', change)


@pytest.mark.parametrize("name", shipped())
def test_what_comes_along_can_be_read_and_is_documented(name: str) -> None:
    assert read(text_of(name)[1]).title
    assert f"| `{name}` |" in DOCUMENT


def test_every_step_and_every_option_is_documented() -> None:
    form = DOCUMENT.partition("## The form")[2]
    kinds = Step.__subclasses__()
    assert len(kinds) == len(steps.KINDS)
    for kind in kinds:
        row = re.search(rf"^\| `{kind.__struct_config__.tag}` \|.*$", form, re.MULTILINE)
        assert row, kind
        for option in set(kind.__struct_fields__) - {"name"}:
            assert f"`{option}`" in row[0], (kind, option)


def test_every_figure_is_documented() -> None:
    figures = DOCUMENT.partition("## Figures")[2]
    for label in LABELS:
        name = re.sub(r"^(zfront|zflood)_(?=(rss|pss)_mb|cpu)", "router_", label)
        assert f"`{name}`" in figures, label


def test_the_example_of_the_document_is_a_scenario() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", DOCUMENT, re.DOTALL)
    assert len(read(example).plays[0].steps) == 3


def test_runs_may_differ_in_whether_they_are_checked() -> None:
    text = (
        'title = "t"\ncheck = "$on"\nsteps = []\n[settings]\non = false\n'
        '[[runs]]\nname = "a"\n[[runs]]\nname = "b"\nset = { on = true }\n'
    )
    assert [play.check for play in read(text).plays] == [False, True]


def test_messages_in_the_background_need_a_pace() -> None:
    step = '[[steps]]\ndo = "messages"\nmax_id = 1\ncount = 1\nbackground = true\n'
    with pytest.raises(ScenarioError, match="per_s"):
        read(f'title = "t"\n{step}')
    assert read(f'title = "t"\n{step}per_s = 1\n').plays
