"""Every test of webhooks begins with no calls counted and no certificate remembered."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hub.accounts.models import Organization
from hub.delivery.dispatch import Dispatcher
from hub.lib import throttle
from tests import factories as make
from tests.hub.delivery.conftest import make_dispatcher
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


@pytest.fixture
def organization() -> Organization:
    return make.OrganizationFactory()


@pytest.fixture
def dispatcher() -> Iterator[Dispatcher]:
    made = make_dispatcher()
    yield made
    made.shut_down(deadline=2)
