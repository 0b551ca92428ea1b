"""Pauses against a plain dict of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zfront.connections.read_pauses import ReadPauses

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("pause"), st.integers(0, 5), st.integers(0, 20)),
        st.tuples(st.just("end"), st.integers(0, 5), st.just(0)),
        st.tuples(st.just("look"), st.integers(0, 20), st.just(0)),
    )
)


@given(STEPS)
def test_each_has_its_turn_when_its_last_pause_is_over_and_once(steps: list[tuple[str, int, int]]) -> None:
    pauses, model = ReadPauses(), dict[int, int]()
    for step, number, until in steps:
        if step == "pause":
            pauses.pause(number, until)
            model[number] = until
        elif step == "end":
            pauses.end(number)
            model.pop(number, None)
        else:
            due = {client for client, moment in model.items() if moment <= number}
            found = []
            while (client := pauses.next(number)) is not None:
                found.append(client)
            assert set(found) == due
            assert len(found) == len(due)
            for client in due:
                del model[client]
        assert len(pauses) == len(model)
        assert all(client in pauses for client in model)
