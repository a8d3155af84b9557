"""The world that the admin's tests look at."""

import pytest

from tests.hub.dashboard.world import World, build


@pytest.fixture
def world(db: None) -> World:
    """An organization with a row of everything."""
    return build()


@pytest.fixture
def elsewhere(db: None) -> World:
    """Another organization, of strangers."""
    return build()
