"""The page of one event: its story, its deliveries, and who may do what there."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from hub.accounts.models import Membership, Organization, Role
from hub.connections.models import Integration, Status
from hub.delivery.models import QueueItem, State
from hub.events.models import Event
from tests import factories as make

EXCHANGE = {"method": "POST", "url": "https://mail.example.com/send", "request_body": '{"to": "ann"}'}


def browser_of(membership: Membership) -> Client:
    browser = Client()
    browser.force_login(membership.user)
    return browser


@pytest.fixture
def organization(db: None) -> Organization:
    return make.OrganizationFactory()


@pytest.fixture
def client(organization: Organization) -> Client:
    """An operator's browser."""
    return browser_of(make.MembershipFactory(organization=organization, role=Role.OPERATOR))


def page(client: Client, event: Event) -> str:
    answer = client.get(reverse("admin:events_event_change", args=[event.pk]))
    assert answer.status_code == 200
    return answer.content.decode()


def delivered(organization: Organization, **changes: object) -> QueueItem:
    integration = make.IntegrationFactory(organization=organization, name="First choice")
    return make.QueueItemFactory(integration=integration, **changes)


def event_of(item: QueueItem) -> Event:
    return Event.objects.get(pk=item.source_id)


def test_every_route_is_told_with_its_reason(client: Client, organization: Organization) -> None:
    route = make.RouteFactory(organization=organization, name="Big orders")
    routing = [
        {"route": str(route.pk), "name": "Big orders", "outcome": "filtered", "reason": "It was too small."},
        {"route": "01a1fbea-0000-7000-8000-000000000000", "name": "Gone", "outcome": "queued", "reason": ""},
    ]
    shown = page(client, make.EventFactory(organization=organization, routing=routing))
    assert "It was too small." in shown
    assert reverse("admin:events_route_change", args=[route.pk]) in shown
    # A route that was removed since is named, without a link that leads nowhere.
    assert "Gone" in shown
    assert "01a1fbea-0000-7000-8000-000000000000" not in shown


def test_a_fallback_that_took_over_is_told(client: Client, organization: Organization) -> None:
    second = make.IntegrationFactory(organization=organization, name="Second choice")
    first = make.IntegrationFactory(organization=organization, name="First choice")
    targets = [
        {"integration": str(row.pk), "action": "http.send", "mapping": None} for row in (first, second)
    ]
    item = make.QueueItemFactory(
        integration=second, targets=targets, target_index=1, state=State.COMPLETED, finished_at=timezone.now()
    )
    shown = page(client, event_of(item))
    assert "First choice (given up)" in shown
    assert "Second choice (took over)" in shown


def test_what_was_sent_is_loaded_when_it_is_unfolded(client: Client, organization: Organization) -> None:
    item = delivered(organization, state=State.FAILED, last_error="Refused.")
    entry = make.IntegrationLogFactory(
        integration=item.integration,
        item_id=item.pk,
        source_id=item.source_id,
        attempt=1,
        status_code=400,
        exchanges=[EXCHANGE],
    )
    address = reverse("admin:events_event_attempt", args=[item.source_id, entry.pk])
    shown = page(client, event_of(item))
    assert address in shown
    assert EXCHANGE["url"] not in shown
    assert EXCHANGE["url"] in client.get(address).content.decode()


def test_what_the_sentence_says_no_badge_repeats(client: Client, organization: Organization) -> None:
    item = delivered(organization, state=State.COMPLETED, finished_at=timezone.now())
    make.IntegrationLogFactory(
        integration=item.integration, item_id=item.pk, source_id=item.source_id, message="Delivered."
    )
    shown = page(client, event_of(item))
    assert "First choice took it." in shown
    assert "Completed" not in shown
    assert "Delivered.<" not in shown
    item.state = State.FAILED
    item.last_error = "Refused."
    item.save()
    shown = page(client, event_of(item))
    assert "Refused." in shown
    # That nothing more is tried stands in no sentence of the provider.
    assert "Failed" in shown


def test_an_attempt_is_reached_by_its_own_event_and_people_only(
    client: Client, organization: Organization
) -> None:
    entry = make.IntegrationLogFactory(exchanges=[EXCHANGE])
    mine = make.EventFactory(organization=organization)
    theirs = make.EventFactory(organization=entry.organization)
    for event in (mine, theirs):
        assert client.get(reverse("admin:events_event_attempt", args=[event.pk, entry.pk])).status_code == 404


def test_a_failed_delivery_is_retried_where_it_stands(client: Client, organization: Organization) -> None:
    item = delivered(organization, state=State.FAILED, last_error="Refused.")
    here = reverse("admin:events_event_change", args=[item.source_id])
    address = reverse("admin:delivery_queueitem_do", args=[item.pk, "retry"])
    assert address in page(client, event_of(item))
    assert client.post(address, {"next": here})["Location"] == here
    item.refresh_from_db()
    assert item.state == State.PENDING


def test_a_viewer_reads_the_story_and_has_no_buttons(organization: Organization) -> None:
    item = delivered(organization, state=State.FAILED, last_error="Refused.")
    viewer = browser_of(make.MembershipFactory(organization=organization, role=Role.VIEWER))
    assert "Send a test event" not in viewer.get(reverse("admin:events_event_changelist")).content.decode()
    shown = page(viewer, event_of(item))
    assert "Refused." in shown
    for deed in ("retry", "cancel", "replay"):
        assert f"/do/{deed}/" not in shown
    for address in (
        reverse("admin:delivery_queueitem_do", args=[item.pk, "retry"]),
        reverse("admin:events_event_do", args=[item.source_id, "replay"]),
    ):
        assert viewer.post(address).status_code == 403


def test_another_organizations_event_is_not_there(client: Client) -> None:
    event = make.EventFactory()
    for address in (
        reverse("admin:events_event_change", args=[event.pk]),
        reverse("admin:events_event_do", args=[event.pk, "replay"]),
    ):
        assert client.post(address).status_code == 404
    assert str(event.pk) not in client.get(reverse("admin:events_event_changelist")).content.decode()


def test_the_page_looks_for_news_only_while_something_moves(
    client: Client, organization: Organization
) -> None:
    item = delivered(organization)
    assert "every 2s" in page(client, event_of(item))
    Integration.objects.filter(pk=item.integration_id).update(status=Status.PAUSED)
    assert "every 2s" not in page(client, event_of(item))
    QueueItem.objects.update(state=State.COMPLETED, finished_at=timezone.now())
    assert "every 2s" not in page(client, event_of(item))


def test_events_are_found_by_outcome_and_time(client: Client, organization: Organization) -> None:
    failed = delivered(organization, state=State.FAILED, label="order.failed", event__type="order.failed")
    delivered(organization, state=State.COMPLETED, event__type="order.fine")
    address = reverse("admin:events_event_changelist")
    shown = client.get(address, {"outcome": "failed", "received": "hour"}).content.decode()
    assert str(failed.source_id) in shown
    assert "order.fine" not in shown
    assert "order.fine" in client.get(address, {"received": "day"}).content.decode()


def test_a_similar_event_is_offered_for_sending(client: Client, organization: Organization) -> None:
    event = make.EventFactory(organization=organization, type="order.odd", data={"id": "like-this"})
    stranger = make.EventFactory(data={"id": "not-this"})
    make.EventTypeFactory(organization=organization, name="order.paid", example={"id": "an-example"})
    address = reverse("admin:events_event_send")
    assert "like-this" in client.get(address, {"like": str(event.pk)}).content.decode()
    assert "an-example" in client.get(address, {"like": "order.paid"}).content.decode()
    assert "not-this" not in client.get(address, {"like": str(stranger.pk)}).content.decode()
