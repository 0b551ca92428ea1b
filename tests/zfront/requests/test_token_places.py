"""Where a token may stand in a request, and that it stands there once."""

from __future__ import annotations

import pytest

from zfront.requests.token_places import NotAdmittedError, TokenHeaders, find_token, offers_subprotocol

T, U = "aaa.bbb.ccc", "ddd.eee.fff"
NONE = TokenHeaders()


def found(said: TokenHeaders = NONE, *query: str, ws: bool = False, cookie: str = "zc") -> str:
    return find_token(said, query, ws, cookie).token


def refusal(said: TokenHeaders = NONE, *query: str, ws: bool = False, cookie: str = "zc") -> int:
    with pytest.raises(NotAdmittedError) as caught:
        found(said, *query, ws=ws, cookie=cookie)
    assert T not in caught.value.text
    return caught.value.status


def header(*values: str) -> TokenHeaders:
    return TokenHeaders(authorizations=values)


def cookies(*values: str) -> TokenHeaders:
    return TokenHeaders(cookies=values)


def protocols(*values: str) -> TokenHeaders:
    return TokenHeaders(protocols=values)


@pytest.mark.parametrize("value", [f"Bearer {T}", f"bearer {T}", f"BEARER   {T}", f" Bearer {T} "])
def test_a_header(value: str) -> None:
    assert found(header(value)) == T


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer ", f"Basic {T}", f"Token {T}", T, f"Bearer {T}, Bearer {U}"]
)
def test_other_credentials_are_not_none(value: str) -> None:
    assert refusal(header(value)) == 401
    assert refusal(header(value)._replace(cookies=(f"zc={T}",))) == 401


def test_a_token_stands_once_or_says_the_same() -> None:
    assert refusal(header(f"Bearer {T}", f"Bearer {T}")) == 400
    assert refusal(TokenHeaders(), T, T) == 400
    assert found(header(f"Bearer {T}"), T) == T
    assert refusal(header(f"Bearer {U}"), T) == 400
    assert found(header(f"Bearer {T}")._replace(cookies=(f"zc={T}",))) == T
    assert refusal(header(f"Bearer {T}")._replace(cookies=(f"zc={U}",))) == 400


def test_no_token_is_refused() -> None:
    assert refusal() == 401
    assert refusal(cookies(f"other={T}")) == 401


@pytest.mark.parametrize("line", [f"zc={T}", f"a=b; zc={T}", f"zc={T};a=b", f'zc="{T}"', f"\tzc={T} ; zc="])
def test_a_cookie(line: str) -> None:
    assert found(cookies(line)) == T
    assert find_token(cookies(line), (), False, "zc").is_from_cookie
    assert refusal(cookies(line), cookie="") == 401


@pytest.mark.parametrize(
    "line",
    ["zc=", f"ZC={T}", f"zc ={T}", f"\xa0zc={T}", f"\x85zc={T}", f"__Host-zc={T}", "$Version=1", ";" * 8192],
)
def test_what_is_another_cookie(line: str) -> None:
    assert refusal(cookies(line)) == 401


def test_two_cookies_of_one_name_that_differ() -> None:
    assert refusal(cookies(f"zc={T}; zc={U}")) == 400
    assert refusal(cookies(f"zc={T}", f"zc={U}")) == 400


@pytest.mark.parametrize(
    "lines",
    [
        (f"zcomet, bearer.{T}",),
        (f"bearer.{T},zcomet",),
        ("zcomet", f"bearer.{T}"),
        (f"a, bearer.{T} ,zcomet",),
    ],
)
def test_a_subprotocol_of_a_websocket(lines: tuple[str, ...]) -> None:
    assert found(protocols(*lines), ws=True) == T
    assert offers_subprotocol(lines)
    assert refusal(protocols(*lines)) == 401  # no WebSocket


@pytest.mark.parametrize("line", [f"bearer.{T}", "zcomet, bearer.", f"zcomet, bearer.{T}, bearer.{T}"])
def test_a_subprotocol_that_a_browser_would_drop_the_connection_for(line: str) -> None:
    assert refusal(protocols(line), ws=True) == 400


def test_our_subprotocol_without_a_token_is_none() -> None:
    assert refusal(protocols("zcomet"), ws=True) == 401
    assert refusal(protocols(f"zcomet, Bearer.{T}"), ws=True) == 401
    assert not offers_subprotocol(("Zcomet", "zcomet2"))


def test_a_token_shows_itself_to_nobody() -> None:
    one = find_token(header(f"Bearer {T}"), (), False)
    assert T not in repr(one)
    assert T not in repr(header(f"Bearer {T}"))
