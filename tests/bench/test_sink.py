"""The sink counts what reaches it, and the load generator understands what it is answered."""

import os
from pathlib import Path

import pytest

from bench.hub import Sink
from bench.load import Load, requests
from bench.processes import Crew


@pytest.fixture
def crew():
    with Crew() as crew:
        yield crew


@pytest.fixture
def sink(crew):
    return Sink(crew, dict(os.environ))


def test_every_request_of_the_load_is_counted_and_timed(sink):
    load = Load(sink.port, 4, requests("event", {"path": "/", "key": "none"}))
    told = load.run(warm=0.0, seconds=0.5)
    assert set(told["statuses"]) == {200}
    assert sink.count() >= len(load.waited) > 0
    arrivals = sink.arrivals()
    assert len(arrivals) == sink.count()
    assert sink.repeated() == 0


def test_the_sink_knows_repeated_keys_and_forgets_them(sink):
    secret = {"path": "/slow", "secret": "whsec_YmVuY2g="}
    for _ in range(2):
        Load(sink.port, 1, requests("webhook", secret)).run(warm=0.0, seconds=0.2)
    assert sink.count() >= 2
    assert sink.repeated() > 0
    sink.reset()
    assert (sink.count(), sink.repeated(), sink.arrivals()) == (0, 0, {})


def test_a_crew_leaves_no_process_and_no_folder_behind():
    with Crew() as crew:
        pids = crew.start("sink", "bench.sink", env=dict(os.environ), talks=True).pids
        assert pids
    assert not crew.folder.exists()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
