"""Opens each place some times within the process of a hub, as a browser would, and notes how long it took."""

import time
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client

from bench.figures import percentile
from bench.pages.places import Place

#: What every page is held to, in milliseconds.
AVERAGE, P95 = 200.0, 500.0


@dataclass(frozen=True, slots=True)
class Figure:
    """One place: milliseconds of the clock, of our own processor time and of waiting for the database."""

    name: str
    average: float
    p95: float
    cpu: float
    sql: float
    queries: int
    kilobytes: float
    slowest: str

    @property
    def kept(self) -> bool:
        """Whether it is within what is promised."""
        return self.average <= AVERAGE and self.p95 <= P95

    def line(self) -> str:
        """For people."""
        times = f"{self.average:8.1f}{self.p95:8.1f}{self.cpu:8.1f}{self.sql:8.1f}"
        told = f"{'  ' if self.kept else '✗ '}{self.name:<56}{times}{self.queries:5}{self.kilobytes:7.0f}"
        return told if self.kept else f"{told}\n      {self.slowest}"


class Asked:
    """What one request asks the database, and how long that takes; a wrapper of Django's."""

    def __init__(self) -> None:
        self.count, self.seconds, self.longest, self.slowest = 0, 0.0, 0.0, ""

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            taken = time.perf_counter() - began
            self.count, self.seconds = self.count + 1, self.seconds + taken
            if taken > self.longest:
                self.longest, self.slowest = (
                    taken,
                    f"{taken * 1000:.0f} ms: {sql[:1500]} ← {str(params)[:400]}",
                )


class Visitor:
    """Somebody signed in, and an application with a key."""

    def __init__(self, user: str, key: str):
        self._key = key
        self._client = Client(SERVER_NAME="localhost")
        self._client.force_login(get_user_model().objects.get(username=user))

    def look(self, place: Place, times: int) -> Figure:
        """Open ``place`` once, which loads templates and is no figure, and then ``times`` times."""
        size = len(self._open(place).content) / 1024
        asked, began = Asked(), time.process_time()
        with connection.execute_wrapper(asked):
            taken = [self._timed(place) for _ in range(times)]
        cpu = (time.process_time() - began) * 1000 / times
        return Figure(
            place.name,
            sum(taken) / times,
            percentile(taken, 0.95),
            cpu,
            asked.seconds * 1000 / times,
            asked.count // times,
            size,
            asked.slowest,
        )

    def _timed(self, place: Place) -> float:
        began = time.perf_counter()
        self._open(place)
        return (time.perf_counter() - began) * 1000

    def _open(self, place: Place) -> Any:
        headers = {"Authorization": f"Bearer {self._key}"} if place.api else {}
        answer = self._client.get(place.address, headers=headers)
        if answer.status_code != 200:
            raise RuntimeError(f"{place.name}: {place.address} answered {answer.status_code}")
        return answer
