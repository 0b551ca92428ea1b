"""A cursor comes back as it went out, and no text of somebody else's is taken for one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zrouter.cursor import NEW, UNKNOWN, Cursor, read_cursor

NUMBERS = st.integers(0, 2**63 - 1)


@given(NUMBERS.filter(bool), NUMBERS)
def test_a_cursor_is_read_as_it_was_written(epoch: int, position: int) -> None:
    assert read_cursor(Cursor(epoch, position).text()) == Cursor(epoch, position)


@given(st.one_of(st.text(), st.text("0123456789abcdefxX.-+_ \u0661", max_size=40)))
def test_any_other_text_is_unknown_and_none_is_new(text: str) -> None:
    cursor = read_cursor(text)
    if text == "":
        assert cursor == NEW
    elif cursor != UNKNOWN:
        assert read_cursor(cursor.text()) == cursor
        assert 0 < cursor.epoch < 2**63 > cursor.position >= 0
        assert [int(part, 16) for part in text.split(".")] == list(cursor)
