"""The inbox of a program whose logins resume, against the simplest model: the list of all that was sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrouter import wire
from zrouter.client.inbox import DROPPED, Gap, Inbox, Received

IDS = [b"a", b"b"]


class Link:
    """A router that keeps everything, and a link that breaks: it plays a session to the inbox."""

    def __init__(self, inbox: Inbox, epoch: int = 7) -> None:
        self.inbox = inbox
        self.epoch = epoch
        self.sent: list[wire.Delivery] = []
        self.is_up = True
        inbox.resumption.welcomed(epoch)

    def send(self, an_id: bytes) -> None:
        position = len(self.sent) + 1
        self.sent.append((an_id, b"%d" % position, position))
        if self.is_up and an_id in self.inbox.held:
            self.inbox.deliver([self.sent[-1]])

    def answer(self) -> None:
        for make, on_answer in self.inbox.resumption.requests():
            resume = make(1)
            assert isinstance(resume, wire.Resume)
            since = len(self.sent) if resume.epoch == 0 else resume.position
            missed = [one for one in self.sent if one[0] in resume.ids and one[2] > since]
            gap = wire.RESTARTED if resume.epoch not in (0, self.epoch) else ""
            on_answer(wire.Resumed(1, len(self.sent), gap, [] if gap else missed))

    def come_back(self) -> None:
        self.is_up = True
        self.inbox.resumption.welcomed(self.epoch)


def taken(inbox: Inbox) -> list[Received | Gap]:
    return [inbox.take() for _ in range(len(inbox))]


@given(st.lists(st.sampled_from(["a", "b", "break", "come back", "answer"]), max_size=40))
def test_a_login_that_resumes_gets_all_in_order_and_once_over_any_breaks(steps: list[str]) -> None:
    inbox = Inbox(1000)
    link = Link(inbox)
    inbox.hold(IDS, "")
    link.answer()
    for step in steps:
        match step:
            case "break":
                link.is_up = False
            case "come back":
                link.come_back()
            case "answer":
                if link.is_up:
                    link.answer()
            case an_id:
                link.send(an_id.encode())
    link.come_back()
    link.answer()
    assert [one for one in taken(inbox) if isinstance(one, Received)] == [
        (an_id.decode(), message) for an_id, message, _ in link.sent
    ]


def test_an_offset_goes_on_behind_its_message() -> None:
    first = Inbox(10)
    link = Link(first)
    first.hold([b"a"], None)
    for _ in range(3):
        link.send(b"a")
    offsets = [one.offset for one in taken(first)]
    second = Inbox(10)
    again = Link(second)
    again.sent = link.sent
    second.hold([b"a"], offsets[0])
    again.answer()
    assert [one.offset for one in taken(second)] == offsets[1:]


def test_an_offset_of_another_life_of_the_router_is_a_gap_and_so_is_nonsense() -> None:
    for since in ("5.1", "what"):
        inbox = Inbox(10)
        link = Link(inbox)
        inbox.hold([b"a"], since)
        link.send(b"a")
        assert inbox.is_waiting()
        link.answer()
        link.send(b"a")
        assert taken(inbox) == [Gap(wire.RESTARTED, "7.1"), ("a", b"2")]


def test_logins_resume_each_from_its_own_offset() -> None:
    inbox = Inbox(10)
    link = Link(inbox)
    link.send(b"a")
    link.send(b"b")
    inbox.hold([b"a"], "7.0")
    inbox.hold([b"b"], "7.2")
    link.answer()
    link.send(b"b")
    assert taken(inbox) == [("a", b"1"), ("b", b"3")]


def test_who_does_not_take_its_messages_loses_the_oldest_and_a_login_that_resumes_is_told_where() -> None:
    inbox = Inbox(2)
    link = Link(inbox)
    inbox.hold([b"a"], None)
    inbox.hold([b"b"], "")
    link.answer()
    for an_id in (b"a", b"a", b"a", b"b", b"b", b"b"):
        link.send(an_id)
    assert inbox.dropped_messages == 4
    assert taken(inbox) == [Gap(DROPPED, "7.4"), ("b", b"5"), ("b", b"6")]


@pytest.mark.parametrize("most", [1, 2, 3, 7])
@pytest.mark.parametrize("since", [None, ""])
def test_never_more_messages_wait_than_are_allowed_and_the_newest_are_there(
    most: int, since: str | None
) -> None:
    inbox = Inbox(most)
    link = Link(inbox)
    inbox.hold([b"a"], since)
    link.answer()
    for number in range(1, 20):
        link.send(b"a")
        assert inbox.dropped_messages == max(0, number - most)
    gap = [] if since is None else [Gap(DROPPED, f"7.{19 - most:x}")]
    assert taken(inbox) == gap + [("a", b"%d" % number) for number in range(20 - most, 20)]


def test_a_login_without_an_offset_is_never_told_of_gaps() -> None:
    inbox = Inbox(2)
    link = Link(inbox)
    inbox.hold([b"a"], None)
    for _ in range(4):
        link.send(b"a")
    link.is_up = False
    link.epoch = 8
    link.come_back()
    link.answer()
    assert taken(inbox) == [("a", b"3"), ("a", b"4")]


def test_who_logged_out_while_it_waits_is_not_asked_for_and_gets_nothing() -> None:
    inbox = Inbox(10)
    link = Link(inbox)
    link.send(b"a")
    inbox.hold([b"a"], "7.0")
    [(_, on_answer)] = inbox.resumption.requests()
    inbox.release([b"a"])
    on_answer(wire.Resumed(1, 1, "", link.sent))
    assert taken(inbox) == []
    assert not inbox.is_waiting()
