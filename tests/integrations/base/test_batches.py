"""Batches: no key twice in one request, a bad row alone, other failures as they are."""

from collections.abc import Sequence

import pytest

from integrations.base.batches import apart, waves
from integrations.base.errors import PermanentError, TransientError
from integrations.base.provider import Outcome
from integrations.base.results import Result


def test_a_key_stands_once_in_a_wave_and_keeps_its_order():
    assert waves(["a", "b", "a", "c", "a"]) == [[0, 1, 3], [2], [4]]
    assert waves([]) == []


@pytest.mark.parametrize("bad", [{2}, {0, 4}, {0, 1, 2, 3, 4}, set()])
def test_halving_ends_at_the_bad_rows(bad: set[int]):
    accepted: list[int] = []

    def send(rows: Sequence[int]) -> dict[int, Outcome]:
        if bad.intersection(rows):
            raise PermanentError("One of these is wrong.", status=400)
        accepted.extend(rows)
        return {row: Result() for row in rows}

    outcomes = apart(send, range(5))
    assert {row for row, one in outcomes.items() if isinstance(one, PermanentError)} == bad
    assert sorted(accepted) == sorted(set(range(5)) - bad)


@pytest.mark.parametrize("error", [PermanentError("No.", status=404), TransientError("Down.", status=503)])
def test_what_is_not_about_a_row_is_raised_at_once(error: Exception):
    calls: list[Sequence[int]] = []

    def send(rows: Sequence[int]) -> dict[int, Outcome]:
        calls.append(rows)
        raise error

    with pytest.raises(type(error)):
        apart(send, range(5))
    assert len(calls) == 1
