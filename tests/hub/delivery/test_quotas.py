"""An organization's deliveries a second, over all of its integrations; what is beyond waits."""

import time

import pytest
from django.utils import timezone

from hub.delivery import store
from hub.delivery.admin import held_because
from hub.delivery.models import QueueItem, State
from hub.delivery.ratelimit import RateLimiter
from tests.factories import IntegrationFactory, OrganizationFactory, QueueItemFactory
from tests.hub.delivery.conftest import make_dispatcher

pytestmark = pytest.mark.django_db(transaction=True)


def alphas(organization, count: int, items: int) -> None:
    for _ in range(count):
        integration = IntegrationFactory(provider_slug="alpha", organization=organization)
        for _ in range(items):
            QueueItemFactory(integration=integration, action="note")


def done(organization) -> int:
    return QueueItem.objects.filter(organization=organization, state=State.COMPLETED).count()


def test_the_quota_holds_over_all_integrations_and_burns_nothing(door):
    door.answer("POST", "/notes", json={"id": 1})
    organization = OrganizationFactory(deliveries_per_second=7)
    alphas(organization, 4, 5)
    dispatcher = make_dispatcher()

    dispatcher.run_until_idle()

    waiting = QueueItem.objects.filter(organization=organization, state=State.PENDING)
    assert done(organization) == 7
    assert waiting.count() == 13
    assert set(waiting.values_list("attempts", "lease_owner")) == {(0, "")}
    assert "7 deliveries a second" in held_because(waiting.first())

    time.sleep(1.1)
    dispatcher.run_until_idle()
    assert done(organization) == 14
    dispatcher.shut_down(2)


def test_no_more_is_claimed_than_the_quota_lets_go_so_that_others_have_the_room(door):
    door.answer("POST", "/notes", json={"id": 1})
    bound, free = OrganizationFactory(deliveries_per_second=3), OrganizationFactory()
    alphas(bound, 10, 10)
    alphas(free, 1, 10)
    dispatcher = make_dispatcher(claim_size=20)

    # Of one that has not answered yet a few are enough.
    assert dispatcher.claims.claim() == 3 + 4
    held = QueueItem.objects.filter(state=State.PROCESSING)
    assert held.filter(organization=bound).count() == 3

    dispatcher.run_until_idle()
    assert done(free) == 10
    dispatcher.shut_down(2)


def test_a_changed_quota_holds_from_the_next_look_on(door):
    door.answer("POST", "/notes", json={"id": 1})
    organization = OrganizationFactory(deliveries_per_second=2)
    alphas(organization, 1, 9)
    dispatcher = make_dispatcher()
    dispatcher.run_until_idle()
    assert done(organization) == 2

    organization.deliveries_per_second = None
    organization.save()
    dispatcher.run_until_idle()

    assert done(organization) == 9
    dispatcher.shut_down(2)


def test_permits_of_two_integrations_are_one_organizations(django_assert_num_queries):
    organization = OrganizationFactory(deliveries_per_second=3)
    first, second, other = (
        IntegrationFactory(provider_slug="alpha", organization=each)
        for each in (organization, organization, OrganizationFactory())
    )
    first.quota = second.quota = 3
    limiter = RateLimiter()

    with django_assert_num_queries(0):
        taken = [limiter.take_for(each) is not None for each in (first, second, first, second)]

    assert taken == [True, True, True, False]
    assert limiter.free_of(first)[0] == 0
    assert limiter.take_for(other)


def test_a_look_at_the_queue_tells_the_quota():
    organization = OrganizationFactory(deliveries_per_second=3)
    alphas(organization, 1, 1)
    alphas(OrganizationFactory(), 1, 1)
    assert sorted(str(each.quota) for each in store.due_lanes(timezone.now())) == ["3", "None"]
