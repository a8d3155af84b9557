"""What a deed would set moving."""

from datetime import timedelta

import pytest
from django.utils import timezone

from hub.connections.models import Status
from hub.delivery.load import counted, lasting, longest, stop, stops, waiting_at
from hub.delivery.models import QueueItem, State
from tests import factories as make

pytestmark = pytest.mark.django_db


def test_the_slowest_integration_says_how_long_all_takes() -> None:
    organization = make.OrganizationFactory()
    slow = make.IntegrationFactory(
        organization=organization, provider_slug="alpha", rate_count=1, rate_seconds=10
    )
    fast = make.IntegrationFactory(
        organization=organization, provider_slug="alpha", rate_count=100, rate_seconds=1
    )
    make.QueueItemFactory.create_batch(3, integration=slow, state=State.FAILED)
    make.QueueItemFactory.create_batch(5, integration=fast, state=State.FAILED)
    make.QueueItemFactory(integration=slow)  # goes before
    found, count = stops(QueueItem.objects.filter(organization=organization, state=State.FAILED))
    assert (count.total, count.exact) == (8, True)
    assert [(each.integration, each.deliveries, each.waiting) for each in found] == [
        (fast, 5, 0),
        (slow, 3, 1),
    ]
    assert longest(found) == 40
    assert [each.takes for each in found] == ["less than a second", "about 40 seconds"]


def test_it_counts_so_far_and_no_further() -> None:
    integration = make.IntegrationFactory()
    make.QueueItemFactory.create_batch(4, integration=integration)
    found = counted(QueueItem.objects.all(), most=3)
    assert not found.exact
    assert found.total == 4
    assert counted(QueueItem.objects.all(), "label", most=4).by == {"order.paid": 4}


def test_what_is_not_due_yet_does_not_wait() -> None:
    integration = make.IntegrationFactory()
    make.QueueItemFactory(integration=integration)
    make.QueueItemFactory(integration=integration, due_at=timezone.now() + timedelta(hours=1))
    assert waiting_at(integration) == 1


def test_a_held_integration_says_so() -> None:
    paused = make.IntegrationFactory(status=Status.PAUSED)
    assert "paused" in stop(paused, 1).held
    assert stop(make.IntegrationFactory(), 1).held == ""
    assert stop(make.IntegrationFactory(provider_slug="gone"), 1).takes == "nobody knows how long"


@pytest.mark.parametrize(
    ("count", "seconds", "said"),
    [
        (5, 1, "5 a second"),
        (60, 60, "60 a minute"),
        (1_000, 86_400, "1,000 a day"),
        (1, 10, "1 in 10 seconds"),
    ],
)
def test_a_limit_is_said_as_people_say_it(count: int, seconds: int, said: str) -> None:
    limited = make.IntegrationFactory(provider_slug="alpha", rate_count=count, rate_seconds=seconds)
    assert stop(limited, 1).limit == said


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "less than a second"),
        (1, "about 1 second"),
        (90, "about 1.5 minutes"),
        (7200, "about 2 hours"),
        (86_400 * 12, "about 12 days"),
    ],
)
def test_lengths_in_words(seconds: float, words: str) -> None:
    assert lasting(seconds) == words
