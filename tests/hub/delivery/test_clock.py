"""A clock that is set is noticed; one that only runs is not."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from hub.delivery.clock import Watch


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Seconds of the time of day and since start, to be set."""
    now = {"day": 0.0, "start": 0.0}
    began = datetime(2026, 1, 1, tzinfo=UTC)
    monkeypatch.setattr(timezone, "now", lambda: began + timedelta(seconds=now["day"]))
    monkeypatch.setattr("hub.delivery.clock.time.monotonic", lambda: now["start"])
    return now


def test_time_that_passes_is_no_step(times: dict[str, float]) -> None:
    watch = Watch()
    steps = [watch.step()]
    for passed in (15, 600, 86_400):
        times["day"] += passed + 0.5  # put right a little
        times["start"] += passed
        steps.append(watch.step())
    assert steps == [0.0] * 4
    assert not watch.was_set_forward_within(1e9)


@pytest.mark.parametrize("step", [3600.0, -3600.0])
def test_a_step_is_told_once(times: dict[str, float], step: float) -> None:
    watch = Watch()
    watch.step()
    times["day"] += step
    assert watch.step() == pytest.approx(step)
    assert watch.step() == 0.0
    assert watch.was_set_forward_within(90) == (step > 0)
    times["start"] += 91
    assert not watch.was_set_forward_within(90)
