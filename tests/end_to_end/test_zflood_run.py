"""`zflood run`: small scenarios with real programs, and the folder that they leave."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.conftest import Client, Program, eventually, wait_for
from zflood.memory import read_samples
from zrouter.client import RouterClient

DOCUMENT = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text()
SHORT = 'title = "t"\nexpect = ["connected == 5"]\n[[steps]]\ndo = "connect"\nclients = 5\n'
ZFLOOD = [sys.executable, "-c", "from zflood.cli import main; main()"]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ZFLOOD, "run", *arguments, "--report", str(folder)], capture_output=True, text=True, timeout=90
    )


def test_the_example_of_the_document_holds_and_leaves_its_report(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", DOCUMENT, re.DOTALL)
    (tmp_path / "mine.toml").write_text(example)
    done = run(tmp_path / "report", str(tmp_path / "mine.toml"))
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "report" / "report.html") in done.stdout
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["holds"] is True
    figures = report["runs"][0]["figures"]
    assert (figures["connected"], figures["lost"], figures["handed"]) == (100, 0, 500)
    html = (tmp_path / "report" / "report.html").read_text()
    assert html.count("<svg") == 2
    assert "A router that dies" in html
    assert "fault.logged_in_again_s &lt;= 3" in html
    assert "://" not in html.replace("http://www.w3.org/", "")  # nothing is loaded from elsewhere
    assert "| lost == 0 | 0 | yes |" in (tmp_path / "report" / "report.md").read_text()
    rows = (tmp_path / "report" / "run" / "zfront.tsv").read_text().splitlines()
    assert rows[0].startswith("time\tunix_s\trss_kb\tconnections")
    assert len(rows) > 3


def test_a_folder_is_used_again_and_keeps_nothing_of_the_run_before(tmp_path: Path) -> None:
    (tmp_path / "short.toml").write_text(SHORT)
    for _ in range(2):
        began = int(time.time())
        done = run(tmp_path / "report", str(tmp_path / "short.toml"))
        assert done.returncode == 0, done.stderr + done.stdout
        assert read_samples(tmp_path / "report" / "run" / "router.tsv")[0].unix_s >= began


def test_what_does_not_hold_makes_the_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text(
        'title = "t"\nexpect = ["connected >= 11", "never.taken == 0"]\n'
        '[[steps]]\ndo = "connect"\nclients = 10\n'
    )
    done = run(tmp_path / "report", str(tmp_path / "bad.toml"), "--json")
    assert done.returncode == 1, done.stderr
    checks = json.loads(done.stdout)["runs"][0]["checks"]
    assert [(check["value"], check["holds"]) for check in checks] == [(10, False), (None, False)]


def test_clients_come_back_from_both_kinds_of_cut(tmp_path: Path) -> None:
    changes = ("clients=200", "rest_s=0.1", "messages=500")
    done = run(tmp_path / "report", "storm", *(f"--set={change}" for change in changes), "--json")
    assert done.returncode == 0, done.stderr
    for one in json.loads(done.stdout)["runs"]:
        assert one["figures"]["cut.times"] == 3
        assert one["figures"]["active"] == 200


def test_clients_that_are_cut_while_messages_flow_miss_nothing(tmp_path: Path) -> None:
    changes = ("clients=200", "per_s=400", "rest_s=0.5", "times=2")
    done = run(tmp_path / "report", "resume", *(f"--set={change}" for change in changes), "--json")
    for one in json.loads(done.stdout)["runs"]:
        failed = [check["text"] for check in one["checks"] if check["holds"] is False]
        # How soon all are back is a matter of the machine.
        assert failed in ([], ["cut.longest_back_s <= 2 if cut.times >= 1"]), (one, done.stderr)
        assert one["offences"] == []
        figures = one["figures"]
        assert figures["check.messages"] == figures["finish.sent"] > 400
        assert 0 <= figures["check.messages"] - figures["check.sights"] <= 5  # interrupted on their way
    assert not (tmp_path / "report" / "logged-out" / "check").exists()


@pytest.mark.parametrize("changes", [("zipf=false",), ("zipf=true", "each=7", "check=false", "workers=2")])
def test_friends_get_what_those_publish_whom_they_follow(tmp_path: Path, changes: tuple[str, ...]) -> None:
    changes = ("clients=150", "per_s=200", "seconds=2", *changes)
    done = run(tmp_path / "report", "friends", *(f"--set={change}" for change in changes), "--json")
    [one] = json.loads(done.stdout)["runs"]
    failed = [check["text"] for check in one["checks"] if check["holds"] is False]
    # How soon all have it is a matter of the machine.
    assert failed in ([], ["messages.p99_ms <= 20"]), (one, done.stderr)
    figures = one["figures"]
    assert figures["messages.sent"] == 400
    received = figures["messages.received"]
    assert received == figures["messages.handed"] == figures["messages.online"] > 1000
    if "check=false" in changes:
        assert figures["follows.pairs"] == 7 * 150
    else:
        assert (figures["follows.pairs"], figures["follows.users"]) == (135 * 15, 150)
        assert (figures["check.offences"], figures["check.sights"]) == (0, received)
    left = {path.name for path in (tmp_path / "report" / "run").iterdir()}
    assert not left & {"store", "check", "follows.tsv"}


def test_a_graph_is_loaded_while_clients_are_there_and_messages_flow(tmp_path: Path) -> None:
    (tmp_path / "later.toml").write_text(
        'title = "t"\nexpect = ["finish.handed >= 1", "finish.nobody >= 1", "errors == 0"]\n'
        '[[steps]]\ndo = "connect"\nclients = 30\n'
        '[[steps]]\ndo = "messages"\npublish = true\nmax_id = 30\nper_s = 200\nseconds = 60\n'
        "background = true\nwithin_s = 0.5\n"
        '[[steps]]\ndo = "follows"\nusers = 30\neach = 5\n'
        '[[steps]]\ndo = "rest"\nseconds = 0.5\n'
        '[[steps]]\ndo = "finish"\ninterrupt = true\n'
    )
    done = run(tmp_path / "report", str(tmp_path / "later.toml"))
    assert done.returncode == 0, done.stderr + done.stdout


def test_a_run_without_follows_has_no_store(tmp_path: Path) -> None:
    (tmp_path / "none.toml").write_text(
        'title = "t"\n[[steps]]\ndo = "messages"\npublish = true\nmax_id = 3\nper_s = 100\ncount = 3\n'
    )
    done = run(tmp_path / "report", str(tmp_path / "none.toml"))
    assert done.returncode == 1
    assert "stopped: zflood messages: 3 x " in done.stdout


@pytest.mark.parametrize(
    ("step", "why"),
    [("users = 10\neach = 15", "can't follow 15 others each"), ("users = 20\nwithin_s = 0.001", "in time")],
)
def test_a_graph_that_cannot_be_is_said(tmp_path: Path, step: str, why: str) -> None:
    (tmp_path / "few.toml").write_text(f'title = "t"\n[[steps]]\ndo = "follows"\n{step}\n')
    done = run(tmp_path / "report", str(tmp_path / "few.toml"))
    assert done.returncode == 1
    assert why.replace("in time", "did not end in 0.001 s") in done.stdout
    assert "Traceback" not in done.stderr


def test_a_graph_goes_into_no_store_of_others(tmp_path: Path, router: Program, front: Program) -> None:
    (tmp_path / "attached.toml").write_text(
        'title = "t"\n'
        f'[services]\nattach_router = "{router.address}"\nattach_frontend = "{front.address}"\n'
        '[[steps]]\ndo = "follows"\nusers = 20\n'
    )
    done = run(tmp_path / "report", str(tmp_path / "attached.toml"))
    assert done.returncode == 1
    assert "not started for this run" in done.stdout


def test_with_check_every_step_is_compared(tmp_path: Path) -> None:
    (tmp_path / "checked.toml").write_text(
        'title = "t"\ncheck = true\n'
        '[[steps]]\ndo = "connect"\nclients = 20\npath = "/test/%d?id=all"\n'
        '[[steps]]\ndo = "broadcast"\nto = "all"\n'
        '[[steps]]\ndo = "messages"\ncount = 300\nper_s = 300\nmax_id = 20\n'
        '[[steps]]\ndo = "each"\nmax_id = 20\n'
    )
    done = run(tmp_path / "report", str(tmp_path / "checked.toml"), "--json")
    assert done.returncode == 0, done.stderr
    [one] = json.loads(done.stdout)["runs"]
    assert {check["text"]: check["value"] for check in one["checks"]} == {"check.offences == 0": 0}
    assert one["figures"]["check.messages"] == 321
    assert one["figures"]["check.sights"] == 340
    assert one["figures"]["lost"] == 0


def test_a_frozen_frontend_is_logged_out_and_comes_back(tmp_path: Path) -> None:
    (tmp_path / "frozen.toml").write_text(
        'title = "t"\nexpect = ["connected == 20", "closed == 0", "messages.lost == 0"]\n'
        '[services]\nrouter = ["--lease", "0.8"]\n'
        '[[steps]]\ndo = "connect"\nclients = 20\n'
        '[[steps]]\ndo = "fault"\nto = "frontend"\nwhat = "stop"\nseconds = 1.5\n'
        '[[steps]]\ndo = "rest"\nseconds = 1\n'
        '[[steps]]\ndo = "messages"\ncount = 100\nper_s = 200\nmax_id = 20\n'
        '[[steps]]\ndo = "each"\nmax_id = 20\n'
    )
    done = run(tmp_path / "report", str(tmp_path / "frozen.toml"))
    assert done.returncode == 0, done.stderr + done.stdout


def test_it_attaches_to_programs_that_run(tmp_path: Path, router: Program, front: Program) -> None:
    (tmp_path / "attached.toml").write_text(
        'title = "t"\nexpect = ["broadcast.lost == 0", "broadcast.handed == 60"]\n'
        f'[services]\nattach_router = "{router.address}"\nattach_frontend = "{front.address}"\n'
        '[[steps]]\ndo = "connect"\nclients = 30\npath = "/test/%d?id=all"\n'
        '[[steps]]\ndo = "broadcast"\nto = "all"\ntimes = 2\n'
    )
    done = run(tmp_path / "report", str(tmp_path / "attached.toml"))
    assert done.returncode == 0, done.stderr + done.stdout
    assert front.process.poll() is None
    assert not (tmp_path / "report" / "run" / "router.tsv").exists()


def test_what_is_kept_for_a_client_that_left_is_told_apart_from_what_was_handed_over(
    tmp_path: Path, router: Program, front: Program, api: RouterClient
) -> None:
    client = Client(front.address, "/test/6")
    wait_for(api, "6", 1)
    client.socket.close()
    wait_for(api, "6", 0)
    (tmp_path / "left.toml").write_text(
        'title = "t"\nexpect = ["kept == 2", "nobody == 0", "handed == 10", "lost == 0"]\n'
        f'[services]\nattach_router = "{router.address}"\nattach_frontend = "{front.address}"\n'
        '[[steps]]\ndo = "connect"\nclients = 5\n'
        '[[steps]]\ndo = "each"\nmax_id = 6\n'
        '[[steps]]\ndo = "each"\nname = "again"\nmax_id = 6\n'
    )
    done = run(tmp_path / "report", str(tmp_path / "left.toml"))
    assert done.returncode == 0, done.stderr + done.stdout


def test_programs_that_are_attached_are_not_broken(tmp_path: Path, router: Program, front: Program) -> None:
    (tmp_path / "attached.toml").write_text(
        'title = "t"\n'
        f'[services]\nattach_router = "{router.address}"\nattach_frontend = "{front.address}"\n'
        '[[steps]]\ndo = "fault"\nto = "router"\n'
    )
    done = run(tmp_path / "report", str(tmp_path / "attached.toml"))
    assert done.returncode == 1
    assert "not started for this run" in done.stdout
    assert router.process.poll() is None


def test_a_frontend_that_does_not_start_is_said(tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text(
        'title = "t"\n[services]\nfrontend = ["--colour", "red"]\n[[steps]]\ndo = "rest"\nseconds = 1\n'
    )
    done = run(tmp_path / "report", str(tmp_path / "wrong.toml"))
    assert done.returncode == 1
    assert "stopped: zfront serve did not start" in done.stdout
    assert "No such option '--colour'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_stops_before_memory_is_short(tmp_path: Path) -> None:
    (tmp_path / "short.toml").write_text(
        'title = "t"\nmin_free_mb = 1e9\n[[steps]]\ndo = "rest"\nseconds = 60\n'
    )
    done = run(tmp_path / "report", str(tmp_path / "short.toml"))
    assert done.returncode == 1
    assert "of memory are free" in done.stdout
    assert (tmp_path / "report" / "report.html").exists()


def test_what_others_published_stands_beside_our_figure(tmp_path: Path) -> None:
    done = run(
        tmp_path / "report", "hibernate", "--set", "clients=90", "--set", "first=10", "--set", "messages=100",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    report = (tmp_path / "report" / "report.md").read_text()
    assert "| a connection, hibernated (there) or parked (here) | 8 KB |" in report
    assert "| 45 KB |" in report


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["nothing"], "scenarios are"),
        (["c10k", "--set", "clients"], "not NAME=VALUE"),
        (["c10k", "--set", "colour=red"], "no setting 'colour'"),
        (["c10k", "--set", "clients=many"], "not int"),
        (["c10k", "--set", "clients=1_000_000_000"], "processes"),
        (["soak", "--hours", "nan"], "is not a number"),
        (["soak", "--hours", "inf"], "is not a number"),
        ([__file__ + "/x"], "Not a directory"),
        ([sys.executable], "not UTF-8"),
    ],
)
def test_usage_is_exit_code_2(tmp_path: Path, arguments: list[str], why: str) -> None:
    done = run(tmp_path / "report", *arguments)
    assert done.returncode == 2
    assert why in done.stderr
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_no_program_behind(tmp_path: Path, signum: signal.Signals) -> None:
    process = begun(tmp_path)
    process.send_signal(signum)
    assert process.wait(30) == (130 if signum == signal.SIGINT else 143)

    assert not of_session(process.pid)
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["runs"][0]["stopped"]
    assert report["runs"][0]["figures"]["connected"] == 10


def test_a_killed_run_leaves_no_program_behind(tmp_path: Path) -> None:
    process = begun(tmp_path)
    process.kill()
    eventually(lambda: not of_session(process.pid), 30)


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    process = begun(tmp_path)
    done = run(tmp_path / "report", str(tmp_path / "long.toml"))
    process.terminate()
    assert (done.returncode, done.stderr.count("another run")) == (1, 1)
    assert process.wait(30) == 143


def test_a_program_that_dies_is_said_with_what_it_wrote_last(tmp_path: Path) -> None:
    process = begun(tmp_path)
    router_of(process).kill()
    assert process.wait(30) == 1
    stopped = json.loads((tmp_path / "report" / "report.json").read_text())["runs"][0]["stopped"]
    assert re.match(r"zrouter serve has ended: killed by signal 9, .*listening on", stopped, re.DOTALL)


def test_a_program_that_dies_at_the_very_end_is_noticed(tmp_path: Path) -> None:
    # No sample is due before the end: only the last look can see it.
    (tmp_path / "late.toml").write_text(
        'title = "t"\nsample_s = 1000\n[[steps]]\ndo = "connect"\nclients = 5\n'
        '[[steps]]\ndo = "fault"\nto = "frontend"\nwhat = "stop"\nseconds = 1\n'
    )
    command = [*ZFLOOD, "run", str(tmp_path / "late.toml"), "--report", str(tmp_path / "report")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        wait_for_line(process, "fault begins")
        router_of(process).kill()
        process.communicate()
    assert process.returncode == 1
    assert "zrouter serve has ended" in (tmp_path / "report" / "report.md").read_text()


def test_settings_of_the_users_own_programs_are_not_the_scenarios(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZROUTER_LOG_LEVEL", "error")
    monkeypatch.setenv("ZFRONT_CONFIG", "/nowhere")
    monkeypatch.setenv("ZFLOOD_CLIENTS_SECONDS", "0.1")
    (tmp_path / "short.toml").write_text(SHORT)
    done = run(tmp_path / "report", str(tmp_path / "short.toml"))
    assert done.returncode == 0, done.stderr + done.stdout


def test_an_address_that_is_none_is_said_and_no_markup_is_lost(tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text(
        'title = "t"\n[services]\nattach_router = "no://[where]"\nattach_frontend = "http://127.0.0.1:1"\n'
        '[[steps]]\ndo = "rest"\nseconds = 1\n'
    )
    done = run(tmp_path / "report", str(tmp_path / "wrong.toml"))
    assert done.returncode == 1
    assert "router no://[where]" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_folder_that_cannot_be_made_is_a_usage_error() -> None:
    # Nothing can be made in /proc, by root either.
    done = run(Path("/proc/none"), "c10k")
    assert done.returncode == 2
    assert "--report /proc/none: " in done.stderr


def begun(tmp_path: Path) -> subprocess.Popen[str]:
    """A long run that has its clients, in a session of its own."""
    (tmp_path / "long.toml").write_text(
        'title = "t"\n[[steps]]\ndo = "connect"\nclients = 10\n[[steps]]\ndo = "rest"\nseconds = 600\n'
    )
    process = subprocess.Popen(
        [*ZFLOOD, "run", str(tmp_path / "long.toml"), "--report", str(tmp_path / "report")],
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    wait_for_line(process, "rest begins")
    return process


def router_of(process: subprocess.Popen[str]) -> psutil.Process:
    """The router that a run has started."""
    children = psutil.Process(process.pid).children()
    return next(one for one in children if "zrouter" in " ".join(one.cmdline()))


def wait_for_line(process: subprocess.Popen[str], text: str) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if text in line:
            return
    raise AssertionError(text)


def of_session(session: int) -> list[int]:
    """The processes of a session that still run."""
    return [
        one.pid
        for one in psutil.process_iter(["status"])
        if one.info["status"] != psutil.STATUS_ZOMBIE and os.getsid(one.pid) == session
    ]
