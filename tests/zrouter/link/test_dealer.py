"""The link's sockets when the process has no descriptors for others."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager

import zmq

from tests.conftest import eventually
from zrouter.link.dealer import Dealer
from zrouter.link.session import Session


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Nothing can be opened meanwhile."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_link_that_finds_no_descriptors_is_made_anew_when_there_are_some() -> None:
    context = zmq.Context[zmq.Socket[bytes]]()
    router = context.socket(zmq.ROUTER)
    router.setsockopt(zmq.LINGER, 0)
    router.bind("tcp://127.0.0.1:0")
    session = Session("f1", b"iiiiiiii", 0.0)
    dealer = Dealer(context, router.getsockopt_string(zmq.LAST_ENDPOINT), session)

    def greets() -> bool:
        dealer.read_monitor(time.monotonic())
        dealer.flush(time.monotonic())
        return bool(router.poll(10))

    try:
        eventually(greets, within_s=10)
        first, _ = router.recv_multipart()
        old = dealer.socket
        with no_descriptors():
            for _ in range(3):
                dealer.reopen()
        assert dealer.socket is old
        assert not old.closed
        assert not dealer.has_arrivals()  # it can still be asked
        dealer.reopen()
        assert old.closed
        eventually(greets, within_s=10)
        assert router.recv_multipart()[0] != first
    finally:
        dealer.close()
        router.close(0)
        context.term()
