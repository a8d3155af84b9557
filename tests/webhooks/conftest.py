"""Every test of webhooks begins with no calls counted and no certificate remembered."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hub.lib import throttle
from webhooks import fetching


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    throttle.forget()
    fetching.forget()
    yield
    throttle.forget()


@pytest.fixture
def hub(settings: Any) -> Callable[..., None]:
    """Change fields of the hub's settings."""

    def change(**fields: Any) -> None:
        settings.HUB = dataclasses.replace(settings.HUB, **fields)

    return change
