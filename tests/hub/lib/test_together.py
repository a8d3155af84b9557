"""Group commit: who comes together is served together, and one's trouble is nobody else's."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, transaction

from hub.lib.together import Together

pytestmark = pytest.mark.django_db(transaction=True)


class Desk:
    """Does jobs by doubling numbers; holds the first group until it may go on."""

    def __init__(self, answer: Callable[[Sequence[Any]], list[Any]] | None = None, most: int = 100):
        self.groups: list[list[Any]] = []
        self.first_began = threading.Event()
        self.go_on = threading.Event()
        self._answer = answer or (lambda jobs: [job * 2 for job in jobs])
        self.together: Together[Any, Any] = Together(self._work, most=most)

    def _work(self, jobs: Sequence[Any]) -> list[Any]:
        self.groups.append(list(jobs))
        if len(self.groups) == 1:
            self.first_began.set()
            assert self.go_on.wait(30)
        return self._answer(jobs)

    def bring(self, first: Any, *others: Any, size: int = 1) -> list[Future[Any]]:
        """Bring ``first``, and while it is being done ``others``, in their order."""
        with ThreadPoolExecutor(1 + len(others)) as pool:
            found = [pool.submit(self.together.do, first)]
            assert self.first_began.wait(30)
            for number, other in enumerate(others, 1):
                found.append(pool.submit(self.together.do, other, size))
                while len(self.together._waiting) < number:
                    threading.Event().wait(0.001)
            self.go_on.set()
        return found


def results(futures: list[Future[Any]]) -> list[Any]:
    return [future.exception() or future.result() for future in futures]


def test_a_lone_caller_waits_for_nobody():
    desk = Desk()
    desk.go_on.set()
    assert [desk.together.do(number) for number in (1, 2)] == [2, 4]
    assert desk.groups == [[1], [2]]


def test_who_comes_meanwhile_is_served_together_in_order():
    desk = Desk()
    assert results(desk.bring(1, 2, 3, 4)) == [2, 4, 6, 8]
    assert desk.groups == [[1], [2, 3, 4]]


def test_a_group_takes_no_more_than_its_size():
    desk = Desk(most=4)
    assert results(desk.bring(1, 2, 3, 4, 5, size=2)) == [2, 4, 6, 8, 10]
    assert desk.groups == [[1], [2, 3], [4, 5]]


def test_one_that_is_as_large_as_a_group_waits_for_nobody():
    desk = Desk(most=4)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(desk.together.do, 1)
        assert desk.first_began.wait(30)
        assert desk.together.do(2, size=4) == 4
        desk.go_on.set()
        assert first.result() == 2
    assert desk.groups == [[1], [2]]


def test_an_outcome_that_is_an_error_is_its_callers_alone():
    refused = ValueError("three")
    desk = Desk(lambda jobs: [refused if job == 3 else job for job in jobs])
    assert results(desk.bring(1, 2, 3, 4)) == [1, 2, refused, 4]
    assert desk.groups == [[1], [2, 3, 4]]


def test_a_job_that_breaks_its_group_fails_alone():
    def answer(jobs):
        if "poison" in jobs:
            raise TypeError("poison")
        return jobs

    desk = Desk(answer)
    first, second, poison, last = results(desk.bring("a", "b", "poison", "c"))
    assert (first, second, last) == ("a", "b", "c")
    assert isinstance(poison, TypeError)
    assert desk.groups == [["a"], ["b", "poison", "c"], ["b"], ["poison"], ["c"]]


def test_what_fails_once_for_what_it_leaned_on_is_tried_again():
    desk = Desk()
    desk.go_on.set()
    tries = iter([KeyError("gone"), [7]])

    def answer(jobs):
        found = next(tries)
        if isinstance(found, Exception):
            raise found
        return found

    desk._answer = answer
    assert desk.together.do(1) == 7


@pytest.mark.parametrize("error", [OperationalError("away"), InterfaceError("closed")])
def test_a_database_that_is_away_is_away_for_all_of_them(error):
    def answer(jobs):
        if len(desk.groups) > 1:
            raise error
        return jobs

    desk = Desk(answer)
    assert results(desk.bring(1, 2, 3)) == [1, error, error]
    assert desk.groups == [[1], [2, 3]], "nobody waits for it twice"


def test_after_any_failure_the_next_are_served():
    def answer(jobs):
        if len(desk.groups) == 1:
            raise SystemExit  # the thread of the first is being ended
        return jobs

    desk = Desk(answer)
    first, second = results(desk.bring(1, 2))
    assert isinstance(first, SystemExit)
    assert second == 2


def test_in_a_transaction_of_its_own_a_caller_is_served_within_it():
    desk = Desk()
    desk.go_on.set()
    with transaction.atomic():
        assert desk.together.do(1) == 2
    assert not desk.together._waiting


def test_many_at_once_all_get_their_own():
    together: Together[int, int] = Together(lambda jobs: [job * 2 for job in jobs], most=7)
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(together.do, range(2000))) == [number * 2 for number in range(2000)]
