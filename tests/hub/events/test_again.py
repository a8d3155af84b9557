"""What a replay would send beside what was sent, and the pages that say what a deed means."""

import pytest
from django.urls import reverse

from hub.connections.models import Status
from hub.delivery.models import QueueItem, State
from hub.events.again import changes, difference
from hub.events.impact import replay_impact
from tests import factories as make
from tests.hub.dashboard.world import World, build

pytestmark = pytest.mark.django_db
URL = "https://shop.example.com/hook"


@pytest.fixture
def world() -> World:
    """An event that was sent once, by a mapping that was changed since."""
    made = build()
    integration = make.IntegrationFactory(
        organization=made.organization, name="Shop hook", settings={"url": URL}
    )
    rule = {"source": "data.email", "target": "data.email", "transforms": [{"name": "upper"}]}
    mapping = make.FieldMappingFactory(organization=made.organization, rules=[rule])
    route, event = made.rows["route"], made.rows["event"]
    route.integration, route.mapping, route.action = integration, mapping, "http.send"
    route.save()
    item = make.QueueItemFactory(
        integration=integration, event=event, route_id=route.pk, state=State.COMPLETED
    )
    sent = {"method": "POST", "url": URL, "request_body": '{"data": {"email": "ann@example.com"}}'}
    make.IntegrationLogFactory(integration=integration, item_id=item.pk, source_id=event.pk, exchanges=[sent])
    return made


def ask(world: World, row: str, deed: str) -> str:
    model = world.rows[row]._meta
    return reverse(f"admin:{model.app_label}_{model.model_name}_ask", args=[world.rows[row].pk, deed])


def test_the_difference_is_told_line_by_line(world: World) -> None:
    event = world.rows["event"]
    made = changes(event, replay_impact(event).decisions)
    (change,) = (each for each in made if each.integration.name == "Shop hook")
    assert change.preview.ok, change.preview.problems
    assert [line.text.strip() for line in change.lines if line.kind == "removed"] == [
        '"email": "ann@example.com"'
    ]
    assert [line.text.strip() for line in change.lines if line.kind == "added"] == [
        '"email": "ANN@EXAMPLE.COM"'
    ]
    page = world.client("operator").get(ask(world, "event", "replay"))
    assert "ic-diff-added" in page.text
    assert f"{len(made)} new deliveries" in page.text


def test_equal_texts_have_no_difference() -> None:
    assert difference("a\nb", "a\nb") == []
    assert [line.kind for line in difference("a", "b")] == ["place", "removed", "added"]


def test_replaying_is_asked_first_and_then_done(world: World) -> None:
    client, event = world.client("operator"), world.rows["event"]
    assert ask(world, "event", "replay") in client.get(world.page("event")).text
    before = QueueItem.objects.count()
    mine, routed = QueueItem.objects.filter(source_id=event.pk), len(replay_impact(event).decisions)
    there = mine.count()
    client.get(ask(world, "event", "replay"))
    assert QueueItem.objects.count() == before
    client.post(world.deed("event", "replay"))
    assert mine.count() == there + routed


def test_resuming_tells_what_waits(world: World) -> None:
    integration = world.rows["integration"]
    make.QueueItemFactory.create_batch(2, integration=integration)
    integration.pause("Somebody.")
    page = world.client("operator").get(ask(world, "integration", "resume"))
    assert "2 deliveries wait for it." in page.text
    assert "order.paid" in page.text
    integration.refresh_from_db()
    assert integration.status == Status.PAUSED


def test_a_route_is_switched_on_after_a_look(world: World) -> None:
    route = world.rows["route"]
    route.enabled = False
    route.save()
    client = world.client("admin")
    assert ask(world, "route", "toggle") in client.get(reverse("admin:events_route_changelist")).text
    page = client.get(ask(world, "route", "toggle"))
    assert "Exactly 1 stored event matches in the last 7 days" in page.text
    assert "Switch on" in page.text
    client.post(world.deed("route", "toggle"))
    route.refresh_from_db()
    assert route.enabled


def test_who_may_not_do_it_is_not_asked(world: World) -> None:
    client = world.client("viewer")
    for row, deed in (("event", "replay"), ("integration", "resume"), ("route", "toggle")):
        assert client.get(ask(world, row, deed)).status_code == 403


def test_what_stands_in_a_routes_form_is_told_with_its_destination(world: World) -> None:
    asked = {
        "type_pattern": "order.*",
        "filter": "",
        "organization": str(world.organization.pk),
        "integration": str(world.rows["integration"].pk),
        "action": "stripe.refund",
    }
    client = world.client("admin")
    text = client.get(reverse("admin:events_route_check"), asked).text
    assert "They would go to" in text
    assert "Stripe Europe" in text
    stranger = make.IntegrationFactory(name="Strange")
    text = client.get(reverse("admin:events_route_check"), {**asked, "integration": str(stranger.pk)}).text
    assert "Strange" not in text


def test_the_flow_is_drawn_with_filters_mappings_and_fallbacks(world: World) -> None:
    route = world.rows["route"]
    route.filter = "data.total > `100`"
    route.save()
    other = make.IntegrationFactory(organization=world.organization, name="The other one")
    make.RouteFallbackFactory(route=route, integration=other)
    text = world.client("viewer").get(reverse("admin:events_route_flow")).text
    for said in ("order.*", "data.total", "Shop hook", route.mapping.name, "if that fails", "The other one"):
        assert said in text
