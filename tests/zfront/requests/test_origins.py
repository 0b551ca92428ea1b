"""Which origin is ours, which is listed, and what is neither; by which names we are called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zfront.requests.hosts import Hosts
from zfront.requests.origins import Origins, read_host, read_origin

OURS = [
    ("https://app.example", "app.example:443"),
    ("https://app.example:443", "app.example"),
    ("http://localhost", "localhost:80"),
    ("http://localhost:80", "localhost"),
    ("http://LocalHost:8000", "localhost:8000"),
    ("http://localhost:8000", "LOCALHOST:8000"),
    ("http://app.example.", "app.example"),
    ("http://app.example", "app.example.:80"),
    ("http://app.example", "app.example:"),
    ("http://[::1]:8000", "[::1]:8000"),
    ("http://[0:0::1]:8000", "[::1]:8000"),
    ("HTTPS://a.example", "A.Example"),
]
NOT_OURS = [
    ("http://app.example", "app.example:443"),
    ("https://app.example", "app.example:80"),
    ("http://app.example:8000", "app.example"),
    ("http://app.example:8000", "app.example:8001"),
    ("http://app.example", "www.app.example"),
    ("http://app.example..", "app.example"),
    ("null", "null"),
    ("file://app.example", "app.example"),
    ("app.example", "app.example"),
    ("http://app.example/", "app.example"),
    ("http://app.example@evil.example", "app.example"),
    ("http://evil.example#app.example", "app.example"),
    ("http://app.example:99999999", "app.example"),
]
# What made urlsplit raise, and others of the kind.
BROKEN = [
    "http://[", "http://[::1", "https://[vz.x]", "http://]", "http://[]", "http://[::1]]", "http://[1.2.3.4]",
    "http://", "://", ":", "http:", "http://a b", "http://a\tb", "http://\u212a.example:x", "http://a:b:c",
    "\x00", "http://[::ffff:300.1.1.1]", "http://[fe80::1%25eth0]", "%", "http://a:-1", "a" * 9000,
]  # fmt: skip


@pytest.mark.parametrize(("origin", "host"), OURS)
def test_an_origin_is_ours_if_scheme_name_and_port_are(origin: str, host: str) -> None:
    assert Origins("").may_open(origin, host)


@pytest.mark.parametrize(("origin", "host"), NOT_OURS)
def test_another_is_not_ours(origin: str, host: str) -> None:
    assert not Origins("").may_open(origin, host)


@pytest.mark.parametrize("origin", BROKEN)
@pytest.mark.parametrize("host", ["127.0.0.1:8000", "[", "", *BROKEN[:6]])
def test_what_is_no_origin_is_nobodys(origin: str, host: str) -> None:
    origins = Origins("https://app.example")
    assert not origins.may_open(origin, host)
    assert origins.lines(origin) == b"Vary: Origin\r\n"
    Hosts(is_open=True).refusal(host)


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_is_an_origin_or_none_and_nothing_is_raised(origin: str, host: str) -> None:
    assert Origins("").may_open(origin, host) in (True, False)
    read_origin(origin)
    read_host(host)
    Hosts(is_open=True, named="app.example").refusal(host)


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ("https://app.example:443", "https://app.example"),
        ("https://app.example/", "https://app.example"),
        ("HTTPS://App.Example", "https://app.example"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("null", "null"),
        ("*", "https://any.example"),
    ],
)
def test_a_listed_origin_is_compared_as_one(listed: str, said: str) -> None:
    assert Origins(listed).answer(said) == ("*" if listed == "*" else said)


@pytest.mark.parametrize("listed", ["foo", "http://[", "https://a.example/path", "https://a b"])
def test_a_setting_that_is_no_origin_is_refused(listed: str) -> None:
    with pytest.raises(ValueError, match="is no origin"):
        Origins(listed)


def test_credentials_are_for_origins_that_are_named() -> None:
    named = Origins("https://app.example", credentials=True)
    assert b"Access-Control-Allow-Credentials: true\r\n" in named.lines("https://app.example")
    assert named.lines("https://other.example") == b"Vary: Origin\r\n"
    assert named.lines("") == b"Vary: Origin\r\n"
    for allowed in ("*", "", "null", "https://app.example, null"):
        with pytest.raises(ValueError, match="credentials"):
            Origins(allowed, credentials=True)


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("", True),  # a program of HTTP/1.0
        ("127.0.0.1", True),
        ("127.8.8.8:8000", True),
        ("LOCALHOST.:8000", True),
        ("[::1]:8000", True),
        ("app.example", True),
        ("APP.example.:8000", True),
        ("evil.example", False),
        ("evil.example:8000", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("10.0.0.1", False),
        ("0.0.0.0", False),
        ("127.0.0.1@evil.example", False),
        ("[", False),
    ],
)
def test_an_open_frontend_answers_to_loopbacks_names_and_those_of_the_setting(
    host: str, is_ours: bool
) -> None:
    assert (Hosts(is_open=True, named="app.example").refusal(host) == "") is is_ours
    assert Hosts(is_open=False).refusal(host) == ""
