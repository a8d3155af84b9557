"""Notices that the machine's clock was set: the time of day moved, and the time since start did not."""

import time

from django.utils import timezone

#: Seconds that a clock may be put right without anybody minding.
TOLERANCE = 5.0


class Watch:
    """Compares the two clocks of this process each time it is asked."""

    def __init__(self) -> None:
        self._offset: float | None = None
        self._set_forward = float("-inf")

    def step(self) -> float:
        """Return the seconds by which the time of day was set since the last call; 0.0 mostly."""
        offset = timezone.now().timestamp() - time.monotonic()
        step = 0.0 if self._offset is None else offset - self._offset
        self._offset = offset
        if abs(step) <= TOLERANCE:
            return 0.0
        if step > 0:
            self._set_forward = time.monotonic()
        return step

    def was_set_forward_within(self, seconds: float) -> bool:
        """Whether the time of day was found set forward so short a time ago."""
        return time.monotonic() - self._set_forward < seconds
