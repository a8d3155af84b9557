"""Doors for the tests of what goes out."""

from collections.abc import Iterator

import pytest

from hub.lib.outbound import Door


@pytest.fixture
def fresh() -> Iterator[Door]:
    """A door with empty pools."""
    door = Door()
    yield door
    door.close()
