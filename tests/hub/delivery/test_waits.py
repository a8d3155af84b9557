"""How long deliveries waited for a permit is known, so that it can be seen which limit is in the way."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from hub.connections.models import Integration
from hub.delivery import waits
from hub.delivery.signals import rate_limits_waited
from tests.factories import IntegrationFactory, OrganizationFactory, QueueItemFactory
from tests.hub.delivery.conftest import make_dispatcher

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time of whoever notes waits; a test moves it."""
    now = [100.0]
    monkeypatch.setattr(waits, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


@pytest.fixture
def told() -> Iterator[list[dict[Integration, int]]]:
    found: list[dict[Integration, int]] = []

    def hear(sender: Any, waited: dict[Integration, int], **_: Any) -> None:
        found.append(waited)

    rate_limits_waited.connect(hear)
    yield found
    rate_limits_waited.disconnect(hear)


def limited(**fields: Any) -> Integration:
    integration: Integration = IntegrationFactory(provider_slug="alpha", **fields)
    for _ in range(4):
        QueueItemFactory(integration=integration, action="note")
    return integration


def test_time_between_two_looks_counts_for_those_who_waited_at_the_first(clock, told):
    one, other = IntegrationFactory(), IntegrationFactory()
    noted = waits.Waits()
    noted.look([one])
    clock[0] += 1.5
    noted.look([one, other])
    clock[0] += 2
    noted.look([])
    clock[0] += 7
    noted.look([])
    assert told == [{one: 3500, other: 2000}]


def test_nothing_is_told_where_nobody_waited(clock, told):
    noted = waits.Waits()
    for _ in range(3):
        clock[0] += 30
        noted.look([])
    assert told == []


@pytest.mark.parametrize("of_the_organization", [False, True])
def test_a_worker_notes_whose_permits_are_used_up(door, clock, told, of_the_organization):
    door.answer("POST", "/notes", json={"id": 1})
    if of_the_organization:
        held = limited(organization=OrganizationFactory(deliveries_per_second=2), rate_count=1000)
    else:
        held = limited(rate_count=2, rate_seconds=60)
    limited(rate_count=1000)
    dispatcher = make_dispatcher()
    dispatcher.run_until_idle()

    clock[0] += 12
    dispatcher.claims.claim()

    assert len(told) == 1
    assert list(told[0]) == [held]
    assert told[0][held] == 12_000
    dispatcher.shut_down(2)


def test_figures_that_fail_keep_nobody_from_delivering(door, clock):
    def fail(**_: Any) -> None:
        raise RuntimeError("no room")

    rate_limits_waited.connect(fail)
    try:
        noted = waits.Waits()
        noted.look([IntegrationFactory()])
        clock[0] += 20
        noted.look([])
    finally:
        rate_limits_waited.disconnect(fail)
