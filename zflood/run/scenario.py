"""Scenarios: what a run of the whole system does, step by step, and what must hold when it is over.

Owns: the TOML form, its checks, the settings in it, the expectations. Must not know: how a step is carried
out (environment.py, steps.py). The form is documented in docs/scenarios.md, whose examples the tests read.
"""

from __future__ import annotations

import math
import re
import string
import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from zflood.run.amount import amount, is_formula
from zflood.run.expectation import Expectation, expectation

Value: TypeAlias = int | float | str | bool
Count = Annotated[int, Meta(ge=0)]
AtLeastOne = Annotated[int, Meta(ge=1)]
Positive = Annotated[float, Meta(gt=0, le=1e9)]
Seconds = Annotated[float, Meta(ge=0, le=1e9)]
NotNegative = Annotated[float, Meta(ge=0)]
MOST_PROCESSES: Final = 512


class ScenarioError(Exception):
    """The text says what is wrong with the scenario, and where."""


class Step(Struct, tag_field="do", forbid_unknown_fields=True, kw_only=True):
    """One thing that happens; figures of it are called `name.figure`."""

    name: Annotated[str, Meta(pattern=r"^[\w -]*$")] = ""


class Prepare(Step, tag="prepare"):
    """Raise the kernel's limits as `zflood tune` says, or stop with what is missing."""

    connections: Count


class Follows(Step, tag="follows"):
    """Ids 1 to `users` follow each other, made up (follow_graphs.py) and loaded into the run's own store."""

    users: Annotated[int, Meta(ge=2, le=1_000_000_000)]
    each: Positive = 15
    seed: Count = 1
    zipf: bool = False
    followed: Count = 0  # with zipf: ids 1 to this; 0 = a tenth of the users
    within_s: Positive = 600

    def __post_init__(self) -> None:
        if not self.zipf and (self.each != int(self.each) or self.followed):
            raise ValueError("follows without zipf need a whole number of each, and no followed")


class Connect(Step, tag="connect"):
    """Clients come, and stay until the end of the run; done when all were answered."""

    clients: AtLeastOne
    first_id: Count = 1
    rate: Seconds = 0  # new connections a second; 0 = as fast as they are made
    processes: Annotated[int, Meta(ge=0, le=MOST_PROCESSES)] = 0  # 0 = as many as the descriptors ask for
    path: str = "/test/%d"
    transport: Literal["chunked", "sse", "ndjson", "ws", "poll"] = "chunked"
    reconnect: bool = False
    within_s: Positive = 600


class Messages(Step, tag="messages"):
    """Stamped messages to random ids; done when all that was handed over has been received."""

    max_id: AtLeastOne
    publish: bool = False  # each goes to everyone who follows the id
    count: Count = 0
    seconds: Seconds = 0  # instead of a count, with a pace: for so long
    hours: Seconds = 0
    per_s: Seconds = 0  # 0 = as fast as they are received
    under_way: Count = 20_000  # then: messages sent and not yet received
    senders: Annotated[int, Meta(ge=1, le=64)] = 1
    background: bool = False  # go on with the next steps meanwhile; `finish` waits for all
    within_s: Positive = 120  # from the last one sent to the last one received

    def __post_init__(self) -> None:
        lasts = self.seconds or self.hours
        if bool(self.count) == bool(lasts) or (lasts and not self.per_s):
            raise ValueError("messages needs either count, or per_s and seconds or hours")
        if self.background and not self.per_s:
            raise ValueError("messages in the background need per_s")
        if self.publish and not self.per_s:
            raise ValueError("messages that are published need per_s")

    def messages(self) -> int:
        """How many to send."""
        return self.count or round((self.seconds + self.hours * 3600) * self.per_s)


class Each(Step, tag="each"):
    """One message to each id, as fast as they are received."""

    max_id: AtLeastOne
    under_way: AtLeastOne = 20_000
    within_s: Positive = 120


class Broadcast(Step, tag="broadcast"):
    """One message to an id that every client has, over and over."""

    to: str
    times: Annotated[int, Meta(ge=1)] = 1
    within_s: Positive = 60


class Cut(Step, tag="cut"):
    """Every client loses its connection at once and comes back; done when all are back."""

    how: Literal["logout", "kill workers"] = "logout"
    times: Annotated[int, Meta(ge=1)] = 1
    rest_s: Seconds = 2.0
    within_s: Positive = 60


class Fault(Step, tag="fault"):
    """Something breaks: kill = SIGKILL and a new start, stop = SIGSTOP for so many seconds."""

    to: Literal["router", "frontend"]
    what: Literal["kill", "stop"] = "kill"
    seconds: Seconds = 1.0


class Finish(Step, tag="finish"):
    """All messages of the background are sent, and received as far as they are going to be."""

    interrupt: bool = False  # end those that still send, instead of waiting for all
    within_s: Positive = 120  # for the senders to end, and from then until nothing more is received


class Rest(Step, tag="rest"):
    """Nothing happens, for so long."""

    seconds: Seconds


AnyStep = Prepare | Follows | Connect | Messages | Each | Broadcast | Cut | Fault | Finish | Rest


class Services(Struct, forbid_unknown_fields=True, kw_only=True):
    """What the clients connect to: our own programs, started for the run, or such as run already."""

    workers: Annotated[int, Meta(ge=1, le=MOST_PROCESSES)] = 1
    frontend: list[str] = []  # further options of `zfront serve`
    router: list[str] = []  # further options of `zrouter serve`
    attach_router: str = ""  # instead: the address of one that runs
    attach_frontend: str = ""  # and its frontend, http://host:port


class Run(Struct, forbid_unknown_fields=True, kw_only=True):
    """One of several runs, side by side in the report: a name, and what it sets differently."""

    name: str
    set: dict[str, Value | list[str]] = {}


class Beside(Struct, forbid_unknown_fields=True, kw_only=True):
    """What others published, for the report to show beside a figure of ours."""

    what: str
    theirs: str
    figure: str
    unit: str = ""
    run: str = ""  # default: each


class _Form(Struct, forbid_unknown_fields=True, kw_only=True):
    """What stands in a file, with `$name` for a setting."""

    title: Annotated[str, Meta(min_length=1)]
    steps: list[dict[str, Any]]
    about: str = ""
    settings: dict[str, Value | list[str]] = {}
    services: dict[str, Any] = {}
    runs: list[Run] = msgspec.field(default_factory=lambda: [Run(name="run")])
    expect: list[str] = []
    beside: list[Beside] = []
    check: str | bool = False
    sample_s: str | float = 1.0
    min_free_mb: str | float = 500


class Play(Struct, kw_only=True):
    """One run with every setting filled in."""

    name: str
    settings: dict[str, Value | list[str]]
    services: Services
    steps: list[AnyStep]
    expect: list[Expectation]
    check: bool  # what senders were told and clients saw is put on record, and compared
    sample_s: float  # between two samples of memory
    min_free_mb: float  # of the machine's memory; with less the run stops


class Scenario(Struct, kw_only=True):
    """A file, read and checked."""

    title: str
    about: str
    beside: list[Beside]
    plays: list[Play]


def read(text: str, changed: Mapping[str, str] | None = None) -> Scenario:
    """Read a scenario; `changed` are settings given by hand, as text.

    Raises:
        ScenarioError: it is not TOML, or not a scenario, or there is no such setting.
    """
    try:
        form = msgspec.convert(_toml(text), _Form)
        settings = dict(form.settings)
        for name, value in (changed or {}).items():
            if name not in settings:
                known = ", ".join(settings) or "none"
                raise ScenarioError(f"no setting {name!r}; there are: {known}")
            settings[name] = _as_kind(name, value, settings[name])
        plays = [_play(form, run, {**settings, **run.set}) for run in form.runs]
    except msgspec.ValidationError as error:
        raise ScenarioError(str(error)) from None
    if not plays:
        raise ScenarioError("there are no runs")
    if len({slug(play.name) for play in plays}) != len(plays):
        raise ScenarioError("two runs have one name")
    for one in form.beside:
        if one.run not in ("", *(play.name for play in plays)):
            raise ScenarioError(f"beside {one.what!r}: there is no run {one.run!r}")
    words = _for_people(settings)
    title, about = str(_filled(form.title, words)), str(_filled(form.about, words)).strip()
    return Scenario(title=title, about=about, beside=form.beside, plays=plays)


def slug(name: str) -> str:
    """A name as a part of a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "run"


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ScenarioError("not a scenario: it is nested too deeply") from None
    except ValueError as error:  # not TOML, or a number of thousands of digits
        raise ScenarioError(f"not TOML: {error}") from None


def _play(form: _Form, run: Run, settings: dict[str, Value | list[str]]) -> Play:
    steps = msgspec.convert(_filled(form.steps, settings), list[AnyStep])
    return Play(
        name=run.name,
        settings=settings,
        services=msgspec.convert(_filled(form.services, settings), Services),
        steps=_named(steps),
        expect=[_expectation(str(_filled(text, settings))) for text in form.expect],
        check=msgspec.convert(_filled(form.check, settings), bool),
        sample_s=msgspec.convert(_filled(form.sample_s, settings), Positive),
        min_free_mb=msgspec.convert(_filled(form.min_free_mb, settings), NotNegative),
    )


def _filled(value: Any, settings: Mapping[str, Any]) -> Any:
    """The value with every `$name` in it replaced; a sum or product of them, or one alone, is no text."""
    if isinstance(value, dict):
        return {key: _filled(one, settings) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, settings) for one in value]
    if not isinstance(value, str):
        return value
    try:
        if value.startswith("$") and value[1:].isidentifier():
            return settings[value[1:]]
        text = string.Template(value).substitute(settings)
        return amount(text) if text != value and is_formula(text) else text
    except KeyError as error:
        raise ScenarioError(f"{value!r}: there is no setting {error.args[0]!r}") from None
    except ValueError as error:
        raise ScenarioError(f"{value!r}: {error}") from None


def _for_people(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: f"{value:,.10g}" if isinstance(value, int | float) and not isinstance(value, bool) else value
        for name, value in settings.items()
    }


def _expectation(text: str) -> Expectation:
    try:
        return expectation(text)
    except ValueError as error:
        raise ScenarioError(f"expect {text!r}: {error}") from None


def _as_kind(name: str, text: str, like: object) -> Value:
    """What was given by hand, as the kind of value that the file has."""
    try:
        if isinstance(like, bool):
            return {"true": True, "false": False}[text.lower()]
        if isinstance(like, int):
            return int(text.replace("_", ""))
        if isinstance(like, float) and math.isfinite(number := float(text)):
            return number
        if isinstance(like, float):
            raise ValueError(text)
    except (ValueError, KeyError):
        raise ScenarioError(f"{name}={text}: not {type(like).__name__}, as {like} is") from None
    if isinstance(like, list):
        raise ScenarioError(f"{name}: a list cannot be set by hand")
    return text


def _named(steps: list[AnyStep]) -> list[AnyStep]:
    """Each step with a name of its own: its kind, and a number where that is taken."""
    named: list[AnyStep] = []
    taken: set[str] = set()
    for step in steps:
        kind = step.name or str(step.__struct_config__.tag)
        name, number = kind, 1
        while name in taken:
            number += 1
            name = f"{kind}-{number}"
        taken.add(name)
        named.append(msgspec.structs.replace(step, name=name))
    return named
