"""What programs may give a client, and the words for what they may not."""

from __future__ import annotations

import uuid
from collections import UserString
from decimal import Decimal
from typing import Any

import pytest

from zrouter import wire
from zrouter.errors import RouterError, WireError
from zrouter.wire import arguments


class Lazy:
    """Text that is made when it is asked for, as `gettext_lazy` gives: no str, with the methods of one."""

    def __getattr__(self, name: str) -> Any:
        return getattr("späte Nachricht", name)

    def __str__(self) -> str:
        return "späte Nachricht"


@pytest.mark.parametrize("text", [Lazy(), "späte Nachricht", UserString("späte Nachricht")], ids=type)
def test_text_and_what_behaves_as_text_are_taken(text: Any) -> None:
    assert arguments.as_pair(text, text) == ("späte Nachricht".encode(),) * 2


def test_django_texts_are_taken() -> None:
    from django.conf import settings
    from django.utils.functional import lazy
    from django.utils.safestring import mark_safe

    if not settings.configured:
        settings.configure()
    late = lazy(lambda: "hello", str)()
    assert arguments.as_pair(mark_safe("user:1"), late) == (b"user:1", b"hello")


@pytest.mark.parametrize("given", [7, 7.5, None, uuid.uuid4(), ["a"], {"a": 1}, object(), True, int])
def test_what_is_no_text_is_a_type_error_that_names_the_field(given: Any) -> None:
    with pytest.raises(TypeError, match=f"an id is str or bytes, not {type(given).__name__}"):
        arguments.as_pair(given, "x")
    with pytest.raises(TypeError, match="a message is str or bytes"):
        arguments.as_pair("a", given)
    if given is not None:
        with pytest.raises(TypeError, match="a key is str or bytes"):
            arguments.as_key(given)


@pytest.mark.parametrize("an_id", ["", "x" * 256, b"\xff", "\udc80", b"", "ä" * 128])
def test_an_id_that_is_none_is_a_router_error_and_a_value_error(an_id: Any) -> None:
    for kind in (RouterError, ValueError, WireError):
        with pytest.raises(kind) as caught:
            arguments.as_ids(["fine", an_id])
    assert caught.value.code == wire.BAD_ID  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ((b"a", None), "a message is str or bytes, not NoneType"),
        ((b"a", "x"), "a message is str in a pair"),
        ((7, b"x"), "an id is str or bytes, not int"),
        ((b"a", b"x", b"y"), "a pair is"),
        (b"ab", "a pair is"),
        (None, "a pair is"),
    ],
)
def test_a_pair_that_is_none_is_named(pair: Any, words: str) -> None:
    arguments.check_pairs([(b"a", b"x")])
    with pytest.raises(TypeError, match=words):
        arguments.check_pairs([(b"a", b"x"), pair])


def test_a_time_out_is_a_finite_number_or_none() -> None:
    assert [arguments.check_timeout(one) for one in (None, 0, 1, 0.5)] == [None, 0.0, 1.0, 0.5]
    for bad in (float("nan"), float("inf"), -1, -0.001):
        with pytest.raises(ValueError, match="timeout_s is 0 or more seconds"):
            arguments.check_timeout(bad)
    for wrong in ("1", True, Decimal(1), [1]):
        with pytest.raises(TypeError, match="timeout_s is a number of seconds or None"):
            arguments.check_timeout(wrong)


def test_an_address_is_an_endpoint() -> None:
    for good in ("tcp://127.0.0.1:5570", "tcp://[::1]:5570", "tcp://router.example:1", "ipc:///run/z"):
        assert arguments.check_endpoint(good) == good
    for bad in ("", "127.0.0.1:5570", "tcp://127.0.0.1", "tcp://::1:5570", "tcp://a:0", "tcp://a:65536"):
        with pytest.raises(ValueError, match="is not an endpoint such as"):
            arguments.check_endpoint(bad)
    with pytest.raises(TypeError):
        arguments.check_endpoint(b"tcp://127.0.0.1:5570")


def test_a_count_is_at_least_one() -> None:
    assert arguments.check_count(1, "max_received") == 1
    with pytest.raises(ValueError, match="max_received is at least 1, not 0"):
        arguments.check_count(0, "max_received")
    with pytest.raises(TypeError):
        arguments.check_count(1.5, "max_received")
