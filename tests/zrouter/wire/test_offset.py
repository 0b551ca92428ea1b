"""A cursor comes back as it went out, and no text of somebody else's is taken for one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zrouter.wire.offset import NEW, UNKNOWN, Offset, read_offset

NUMBERS = st.integers(0, 2**63 - 1)


@given(NUMBERS.filter(bool), NUMBERS)
def test_a_cursor_is_read_as_it_was_written(epoch: int, position: int) -> None:
    assert read_offset(Offset(epoch, position).text()) == Offset(epoch, position)


@given(st.one_of(st.text(), st.text("0123456789abcdefxX.-+_ \u0661", max_size=40)))
def test_any_other_text_is_unknown_and_none_is_new(text: str) -> None:
    offset = read_offset(text)
    if text == "":
        assert offset == NEW
    elif offset != UNKNOWN:
        assert read_offset(offset.text()) == offset
        assert 0 < offset.epoch < 2**63 > offset.position >= 0
        assert [int(part, 16) for part in text.split(".")] == list(offset)
