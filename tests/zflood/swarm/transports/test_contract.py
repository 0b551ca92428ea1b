"""What holds for every transport."""

from __future__ import annotations

import gc
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.zflood.swarm.transports import SERVERS, Fed, Server
from zflood.swarm.transports import TRANSPORTS
from zflood.swarm.transports.interface import HELD_MAX_BYTES, Cut

each_server = pytest.mark.parametrize(
    ("name", "server"), SERVERS, ids=[server.__name__.strip("_") for _, server in SERVERS]
)


def test_each_transport_is_tried_here() -> None:
    assert {name for name, _ in SERVERS} == set(TRANSPORTS)


@each_server
@given(data=st.data())
def test_however_the_bytes_come_every_message_counts_once(
    name: str, server: Server, data: st.DataObject
) -> None:
    connections = range(data.draw(st.integers(1, 4)))
    fed = Fed(name, *connections)
    counts = [data.draw(st.integers(0, 5)) for _ in connections]
    left = {
        connection: server(fed.said[connection], [b"m" * number for number in range(1, count + 1)])
        for connection, count in zip(connections, counts, strict=True)
    }
    while left:
        connection = data.draw(st.sampled_from(sorted(left)))
        part = left[connection].pop(0)
        size = data.draw(st.integers(1, 200))
        fed.feed(connection, part[:size])
        if part[size:]:
            left[connection].insert(0, part[size:])
        if not left[connection]:
            del left[connection]
    assert fed.tally.chunks == sum(counts)
    assert not fed.tally.errors
    assert not fed.endings
    assert sorted(fed.answered) == list(connections)


@each_server
def test_an_idle_connection_costs_less_than_200_bytes(name: str, server: Server) -> None:
    few, many = 10, 2010
    fed = Fed(name, *range(few))

    def carry_on(connection: int) -> None:
        for part in server(fed.said.pop(connection), [b"m"]):
            fed.feed(connection, part)

    for connection in range(few):
        carry_on(connection)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for connection in range(few, many):
        fed.open(connection)
        carry_on(connection)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert not fed.endings
    assert grown / (many - few) < 200


@each_server
def test_a_connection_with_the_number_of_one_that_left_begins_anew(name: str, server: Server) -> None:
    fed = Fed(name)
    for _ in range(2):
        fed.open(3)
        *parts, last = server(fed.said[3], [b"one", b"two"])
        for part in parts:
            fed.feed(3, part)
        fed.feed(3, last[:-3])  # the server dies within a message
        fed.feed(3, b"")
    fed.open(3)
    for part in server(fed.said[3], [b"one", b"two"]):
        fed.feed(3, part)
    assert not fed.tally.errors
    assert fed.tally.chunks == 4
    assert fed.answered == [3, 3, 3]


@each_server
def test_the_servers_end_is_the_end(name: str, server: Server) -> None:
    fed = Fed(name, 3)
    for part in server(fed.said[3], [b"one"]):
        fed.feed(3, part)
    fed.feed(3, b"")
    is_all = server.__name__ == "_unframed_sse"  # such a body goes on until the connection ends
    assert isinstance(fed.endings[3], Cut) != is_all
    assert bool(fed.error(3)) != is_all
    assert fed.tally.ended == 0


@pytest.mark.parametrize("name", ["chunked", "sse", "ndjson", "poll"])
def test_an_answer_that_never_comes_to_the_point_is_not_waited_for(name: str) -> None:
    fed = Fed(name, 3)
    promises = b"HTTP/1.1 100 Continue\r\n\r\n" * 4000
    for _ in range(HELD_MAX_BYTES // len(promises) + 2):
        if 3 not in fed.endings:
            fed.feed(3, promises)
    assert fed.error(3) == "more than 4,194,304 bytes without an end"


ENDLESS = {
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFF\r\n",
    "sse": b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: ",
    "ndjson": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFF\r\n",
    "poll": b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n",
}


@pytest.mark.parametrize("name", ENDLESS)
@pytest.mark.parametrize("is_head", [True, False])
def test_what_has_no_end_is_not_kept(name: str, is_head: bool) -> None:
    fed = Fed(name, 3)
    fed.feed(3, b"HTTP/1.1 200 OK\r\nX: " if is_head else ENDLESS[name])
    fed_bytes = 0
    while 3 not in fed.endings:
        assert fed_bytes < HELD_MAX_BYTES + 200_000
        fed_bytes += 100_000
        fed.feed(3, b"x" * 100_000)
    assert fed.error(3)
