"""Whose request it is, by X-Forwarded-For."""

from __future__ import annotations

import pytest

from zfront.requests.forwarded import Proxies


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "client"),
    [
        ("", "10.0.0.1", "1.1.1.1", "10.0.0.1"),  # nobody is trusted
        ("10.0.0.1", "10.0.0.1", "1.1.1.1", "1.1.1.1"),
        ("10.0.0.1", "10.0.0.2", "1.1.1.1", "10.0.0.2"),  # it is not the proxy
        ("10.0.0.1", "10.0.0.1", "6.6.6.6, 1.1.1.1", "1.1.1.1"),  # the client made the first one up
        ("10.0.0.1, 10.0.0.2", "10.0.0.1", "1.1.1.1, 10.0.0.2", "1.1.1.1"),  # two proxies
        ("10.0.0.0/8", "10.9.9.9", "1.1.1.1,10.1.2.3", "1.1.1.1"),
        ("10.0.0.0/8", "10.9.9.9", "10.1.2.3", "10.1.2.3"),  # a client of the inside
        ("10.0.0.1", "10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.1", "1.1.1.1, unknown", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.1", "1.1.1.1:80", "1.1.1.1"),
        ("10.0.0.1", "10.0.0.1", '"[2001:db8::1]:80"', "2001:db8::1"),
        ("10.0.0.1", "10.0.0.1", "[2001:db8::1]", "2001:db8::1"),
        ("10.0.0.1", "10.0.0.1", "::ffff:1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "::ffff:10.0.0.1", "1.1.1.1", "1.1.1.1"),
        ("10.0.0.1", "10.0.0.1", "1.1.1.1, _hidden", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.1", "1.1.1.1:99999999", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.1", "6.6.6.6," * 1000 + "1.1.1.1", "1.1.1.1"),
        ("10.0.0.0/8", "10.0.0.1", "6.6.6.6," + "10.0.0.1," * 1000 + "10.0.0.2", "10.0.0.1"),
        ("::1, 10.0.0.1", "::1", "2001:db8::1", "2001:db8::1"),
        ("10.0.0.1", "::1", "1.1.1.1", "::1"),
    ],
)
def test_the_client_is_the_first_from_the_right_that_is_no_trusted_proxy(
    trusted: str, peer: str, forwarded: str, client: str
) -> None:
    assert Proxies(trusted).client(peer, forwarded) == client


@pytest.mark.parametrize("trusted", ["proxy.example", "10.0.0.1/33", "10.0.0.1;10.0.0.2", "10.0.0.1/8"])
def test_what_is_no_address_is_refused(trusted: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Proxies(trusted)
