"""Short texts: offsets, queries, origins, hosts, commands, what programs give a client."""

from __future__ import annotations

import json
import math
from ipaddress import ip_address
from urllib.parse import unquote_to_bytes, urlsplit

from tests.fuzz.given import Given
from zfront.api import parameters
from zfront.api.authorization import Authorization
from zfront.api.problem import ProblemError
from zfront.requests.client_command import as_ids, read_command
from zfront.requests.credentials import Credentials
from zfront.requests.forwarded import Proxies
from zfront.requests.hosts import Hosts
from zfront.requests.origins import Origins, read_host, read_origin
from zfront.requests.stream_request import MAX_IDS, MAX_WATCHED, BadStreamRequestError, read_stream_request
from zfront.transports import CHUNKED, PATHS, POLL
from zrouter.api_keys.key_files import read_plain
from zrouter.api_keys.keys import ApiKeys
from zrouter.wire import WireError, arguments
from zrouter.wire.offset import NEW, UNKNOWN, Offset, read_offset

_ALLOWED = Origins("https://a.example,http://b.example:8080")
_OPEN = Hosts(is_open=True, named="app.example")


def offset(data: bytes) -> None:
    """Text of a client is where it was, or unknown; what we wrote is read as it was meant."""
    text = data.decode("latin-1")
    found = read_offset(text)
    if not text:
        assert found == NEW
    elif found != UNKNOWN:
        assert found.epoch > 0
        assert read_offset(found.text()) == found
        assert [int(part, 16) for part in text.split(".")] == list(found)
    given = Given(data)
    epoch, position = max(1, given.number(8) >> 1), given.number(8) >> 1
    assert read_offset(Offset(epoch, position).text()) == (epoch, position)


def query(data: bytes) -> None:
    """The target of a request is a stream request within all bounds, with the ids that it has, or refused in words."""
    since, _, target = data.decode("latin-1").partition("\n")
    path, _, asked_for = target.partition("?")
    try:
        stream_request = read_stream_request(path, asked_for, since)
    except BadStreamRequestError as error:
        assert str(error)
        return
    kind = next((kind for begin, kind in PATHS.items() if path.startswith(begin)), None)
    if stream_request is None:
        assert kind is None
        return
    assert stream_request.kind == kind
    fields = [field.partition("=") for field in asked_for.split("&")]
    values = [(_plus(name), _plus(value)) for name, _, value in fields]
    first = unquote_to_bytes(path[path.index("/", 1) + 1 :].encode("latin-1"))
    ids = [first, *(value for name, value in values if name == b"id" and value)]
    watched = [value for name, value in values if name == b"watch" and value]
    assert stream_request.ids == tuple(dict.fromkeys(ids))
    assert len(stream_request.ids) <= MAX_IDS
    assert len(stream_request.watched) <= MAX_WATCHED
    assert kind == CHUNKED or stream_request.watched == tuple(dict.fromkeys(watched))
    assert not (kind == POLL and stream_request.watched)
    assert stream_request.tick_s == 0 or 0.1 <= stream_request.tick_s <= 3600
    for an_id in (*stream_request.ids, *stream_request.watched):
        assert 1 <= len(an_id) <= 255
        an_id.decode()


def _plus(text: str) -> bytes:
    return unquote_to_bytes(text.replace("+", " ").encode("latin-1"))


def ids_and_keys(data: bytes) -> None:
    """Paths, queries, keys and lists of the API are taken within bounds, or refused with a Problem or ValueError."""
    text = data.decode("latin-1")
    for read in (parameters.read_id, parameters.read_ids, parameters.read_key):
        try:
            found = read(text)
        except ProblemError as error:
            assert error.problem.status == 400
            json.dumps(error.problem.detail)
            continue
        for one in found if isinstance(found, list) else [found]:
            assert 1 <= len(one) <= 255
    try:
        for key in read_plain(text):
            assert len(key) >= 16
    except ValueError:
        pass
    peer, _, forwarded = text.partition("\n")
    client = Proxies("127.0.0.1, 10.0.0.0/8, ::1").client(peer, forwarded)
    assert client == peer or ip_address(client)
    try:
        Proxies(text)
    except ValueError:
        pass


def origins(data: bytes) -> None:
    """An origin opens a WebSocket where it is named or our own, and nowhere else; a host is loopback or named."""
    origin, _, host = data.decode("latin-1").partition("\n")
    found = read_origin(origin)
    if found is not None:
        whole = f"{found.scheme}://{found.host}:{found.port}"
        assert found.host.endswith(".") or read_origin(whole) == found
        assert urlsplit(origin).scheme == found.scheme
    if origin and _ALLOWED.may_open(origin, host):
        assert found is not None
        here = read_host(host)
        is_named = found in (("https", "a.example", 443), ("http", "b.example", 8080))
        assert is_named or (here is not None and here[0] == found.host)
        assert is_named or found.port == (
            here[1] if here and here[1] else {"http": 80, "https": 443}[found.scheme]
        )
    for name, value in _ALLOWED.headers(origin):
        assert "\n" not in name + value
    if host and not _OPEN.refusal(host):
        named = read_host(host)
        assert named is not None
        assert named[0] in ("localhost", "app.example") or _is_loopback(named[0])
    Authorization(None, True, _ALLOWED, _OPEN).would_admit(Credentials("", origin, host), "")
    keys = ApiKeys({}, ["k" * 16], b"")
    Authorization(lambda: keys, True, _ALLOWED, _OPEN).would_admit(Credentials(origin, "", host), "")
    for build in (Origins, lambda text: Hosts(True, text)):
        try:
            build(origin)
        except ValueError:
            pass


def _is_loopback(name: str) -> bool:
    return name.endswith(".localhost") or ip_address(name.strip("[]")).is_loopback


def command(data: bytes) -> None:
    """What a WebSocket client says is a wish within bounds, which any reader of JSON reads alike, or refused."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = ""
    for said in (data, text):
        try:
            found = read_command(said)
        except BadStreamRequestError as error:
            str(error).encode()
            continue
        plain = json.loads(said)
        assert {name: plain.get(name, []) for name in ("login", "logout", "watch", "unwatch")} == {
            "login": found.login, "logout": found.logout, "watch": found.watch, "unwatch": found.unwatch,
        }  # fmt: skip
        assert found.ack == plain.get("ack", "")
        for names, most in ((found.login, MAX_IDS), (found.logout, MAX_IDS), (found.watch, MAX_WATCHED)):
            assert len(as_ids(names)) <= most
        as_ids(found.unwatch)
        read_offset(found.ack)


def given_to_clients(data: bytes) -> None:
    """Ids, messages, keys, addresses and time-outs are taken, or refused with the documented error."""
    text = data.decode("utf-8", "surrogateescape")
    for what in (data, text, memoryview(data)):
        for take in (arguments.as_id, arguments.as_key):
            try:
                assert 1 <= len(take(what)) <= 255
            except WireError as error:
                str(error).encode()
    try:
        endpoint = arguments.check_endpoint(text)
        assert endpoint.isprintable() or endpoint.startswith("ipc://")
        assert endpoint.startswith(("tcp://", "ipc://"))
        if endpoint.startswith("tcp://"):
            assert 0 < int(endpoint.rpartition(":")[2]) < 65536
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return
    try:
        assert arguments.check_timeout(number) == number >= 0
    except ValueError:
        assert not (math.isfinite(number) and number >= 0)
