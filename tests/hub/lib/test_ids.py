"""Identifiers that sort by time."""

import os
import time
from datetime import UTC, datetime

from hub.lib.ids import first_at, uuid7


def test_ids_sort_by_the_time_they_were_made():
    first = uuid7()
    time.sleep(0.002)
    assert first < uuid7()


def test_ids_are_version_7_and_differ():
    made = {uuid7() for _ in range(1000)}
    assert len(made) == 1000
    assert {one.version for one in made} == {7}


def test_a_bound_lies_before_what_is_made_from_then_on():
    before = datetime.now(UTC)
    time.sleep(0.002)
    assert first_at(before) < uuid7() < first_at(datetime(2100, 1, 1, tzinfo=UTC))


def test_a_forked_process_makes_ids_of_its_own():
    uuid7()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, uuid7().bytes)
        os._exit(0)
    os.waitpid(child, 0)
    # The last 62 bits are nothing but random.
    assert os.read(reading, 16)[8:] != uuid7().bytes[8:]
