"""What was sent and not kept, against a dict with the last position of each id."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zrouter.routing.skipped_messages import SkippedMessages

IDS = [b"%d" % number for number in range(300)]
STEPS = st.lists(
    st.tuples(st.sampled_from(["sent", "published", "came"]), st.lists(st.sampled_from(IDS), max_size=200)),
    max_size=12,
)


@given(STEPS)
def test_nothing_that_was_not_kept_is_ever_forgotten(steps: list[tuple[str, list[bytes]]]) -> None:
    skipped, position, published = SkippedMessages(), 0, 0
    missed: dict[bytes, int] = {}
    for what, ids in steps:
        match what:
            case "sent":
                skipped.sent([(an_id, b"", position + n) for n, an_id in enumerate(ids, 1)])
                missed |= {an_id: position + n for n, an_id in enumerate(ids, 1)}
                position += len(ids)
            case "published":
                position = published = position + 1
                skipped.published(position)
            case "came":
                skipped.came(ids)
                missed |= {an_id: max(published, missed.get(an_id, 0)) for an_id in ids}
    for an_id in IDS:
        last = missed.get(an_id, 0)
        assert skipped.may_have(an_id, last - 1, True)
        assert not skipped.may_have(an_id, position, True)
        assert skipped.may_have(an_id, published - 1, False)


def test_of_ten_thousand_that_were_sent_to_hardly_another_is_taken_for_one() -> None:
    skipped = SkippedMessages()
    for first in range(0, 10_000, 100):
        skipped.sent([(b"away%d" % number, b"", number + 1) for number in range(first, first + 100)])
    assert all(skipped.may_have(b"away%d" % number, number, True) for number in range(10_000))
    others = [b"other%d" % number for number in range(10_000)]
    # 7 by chance; that it were 50 has a chance of less than one in 10^20.
    assert sum(skipped.may_have(an_id, 0, True) for an_id in others) < 50


def test_it_takes_no_more_memory_however_many_ids_are_sent_to() -> None:
    skipped = SkippedMessages()
    for first in range(0, 200_000, 10_000):
        skipped.sent([(b"%d" % number, b"", number + 1) for number in range(first, first + 10_000)])
    assert len(skipped._places) * skipped._places.itemsize == 8 << 20
