"""Every error and value that a caller may get goes through pickle and copy, as pools of processes do it."""

from __future__ import annotations

import copy
import importlib
import multiprocessing
import pickle
import pkgutil
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest

import zrouter
from zrouter import wire
from zrouter.client import Counts, Gap, Page, Presence, PublishReceipt, Received
from zrouter.errors import LinkLostError, RefusedError, RouterError, RouterUnavailableError, WireError
from zrouter.follows.store import BadRecordError, DamagedError, EmptyLoadError, StoreError
from zrouter.tokens.errors import EXPIRED, TokenError


def with_all() -> list[BaseException]:
    """One of each kind, with everything that it can carry."""
    refused = RefusedError(wire.FULL, "no room")
    refused.handed = [1, 0, wire.KEPT]
    refused.add_note("a note")
    return [
        refused,
        RouterError("no"),
        RouterUnavailableError("nobody there"),
        LinkLostError("it broke"),
        WireError(wire.BAD_ID, "an id is not UTF-8", 7, 3),
        StoreError("the store is broken"),
        BadRecordError(12, "no tab in it"),
        EmptyLoadError(),
        DamagedError("a list is cut off", "follows"),
        TokenError(EXPIRED, "over"),
    ]


def seen(error: BaseException) -> tuple[Any, ...]:
    return type(error), str(error), error.args, error.__dict__


@pytest.mark.parametrize("error", with_all(), ids=lambda error: type(error).__name__)
def test_an_error_survives_pickle_and_copy_with_all_that_it_carries(error: BaseException) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert seen(pickle.loads(pickle.dumps(error, protocol))) == seen(error)
    assert seen(copy.copy(error)) == seen(copy.deepcopy(error)) == seen(error)


def test_every_error_of_the_package_is_tried() -> None:
    found = set()
    for module in pkgutil.walk_packages(zrouter.__path__, "zrouter."):
        if module.name.startswith("zrouter.contrib.django."):
            continue  # needs a project's settings, and has no errors of its own
        for one in vars(importlib.import_module(module.name)).values():
            if isinstance(one, type) and issubclass(one, Exception) and one.__module__.startswith("zrouter"):
                found.add(one)
    own_init = {one for one in found if "__init__" in vars(one)}
    assert own_init <= {type(error) for error in with_all()}
    for one in found - own_init:
        assert seen(pickle.loads(pickle.dumps(one("why")))) == seen(one("why"))


@pytest.mark.parametrize(
    "value",
    [
        Received("a", b"x", "1.2"),
        Gap("evicted", "1.2"),
        Presence("a", 2),
        PublishReceipt(3, 2, 2, 1),
        Counts(1, 2),
        Page(2, [b"a"]),
        wire.Send(1, [(b"a", b"x")], b"k"),
        wire.Resumed(1, 2, "", [(b"a", b"x", 3)]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_survives_pickle_and_copy(value: Any) -> None:
    for again in (pickle.loads(pickle.dumps(value)), copy.copy(value), copy.deepcopy(value)):
        assert type(again) is type(value)
        assert again == value
        assert getattr(again, "offset", "") == getattr(value, "offset", "")


def refuse() -> None:
    raise RefusedError(wire.TOO_LARGE, "a message of 70000 bytes is too long: 65536 are the limit")


def test_an_error_in_a_pool_of_processes_comes_back_and_the_pool_goes_on() -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        for _ in range(2):
            with pytest.raises(RefusedError, match="too long") as refused:
                pool.submit(refuse).result(60)
            assert refused.value.code == wire.TOO_LARGE


def test_one_base_class_catches_all() -> None:
    for error in with_all():
        assert isinstance(error, RouterError | StoreError | TokenError)  # calls raise the first two
    assert issubclass(WireError, ValueError)
