"""“Send this one now”: through the one delivery path, by the saved rules, to the sandbox or for real."""

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from hub.accounts.models import Membership, Role
from hub.connections.models import Integration
from hub.delivery.models import IntegrationLog, QueueItem, State
from hub.events.models import Event
from hub.mapping.models import FieldMapping
from tests import factories as make
from tests.conftest import Door
from tests.hub.delivery.conftest import make_dispatcher

RULE = {"source": "data.text", "transforms": [], "target": "text", "required": True}

pytestmark = pytest.mark.django_db(transaction=True)


class World:
    """A mapping for messages, a live Slack and an event."""

    def __init__(self, role: str = Role.ADMIN):
        self.membership: Membership = make.MembershipFactory(role=role)
        organization = self.membership.organization
        self.mapping: FieldMapping = make.FieldMappingFactory(
            organization=organization, action="message.post", rules=[RULE]
        )
        self.slack: Integration = make.IntegrationFactory(
            organization=organization,
            provider_slug="slack",
            auth_key="bot",
            name="Slack",
            settings={"channel": "C0123456789"},
            credential__secrets={"bot_token": "xoxb-SENTINEL-0000000000"},
        )
        self.event: Event = make.EventFactory(organization=organization, data={"text": "Hello"})

    def send(self, **changed: Any) -> Any:
        client = Client()
        client.force_login(self.membership.user)
        asked = {
            "mapping": str(self.mapping.pk),
            "integration": str(self.slack.pk),
            "event": str(self.event.pk),
            "rules": [RULE],
            "where": "real",
        }
        body = json.dumps({**asked, **changed})
        return client.post(reverse("admin:mapping_send"), body, content_type="application/json")


def deliver() -> None:
    dispatcher = make_dispatcher()
    dispatcher.run_until_idle()
    dispatcher.shut_down(deadline=2)


def test_for_real_it_is_delivered_once_and_logged(door: Door) -> None:
    world = World(Role.OPERATOR)
    make.RouteFactory(organization=world.membership.organization, type_pattern="*", action="http.send")
    door.answer("POST", "/api/chat.postMessage", json={"ok": True, "channel": "C1", "ts": "1.2"})
    answer = world.send()
    assert answer.status_code == 200
    item = QueueItem.objects.get()
    assert answer.json()["url"].endswith(f"/{item.pk}/change/")
    deliver()
    item.refresh_from_db()
    assert (item.state, item.mapping, item.route_id) == (State.COMPLETED, world.mapping, None)
    assert door.last.json["text"] == "Hello"
    assert IntegrationLog.objects.get(item_id=item.pk).outcome == "ok"
    world.event.refresh_from_db()
    decision = world.event.routing[-1]
    assert decision["name"] == "By hand"
    assert world.membership.user.username in decision["reason"]
    client = Client()
    client.force_login(world.membership.user)
    text = client.get(answer.json()["live"]).text
    assert "Slack took it." in text
    assert "hx-get" not in text
    page = client.get(reverse("admin:events_event_change", args=[world.event.pk]))
    assert page.status_code == 200
    assert "By hand" in page.text


def test_to_the_sandbox_an_integration_for_trying_out_is_made_once() -> None:
    world = World()
    assert world.send(where="sandbox").status_code == 200
    twin = Integration.objects.get(sandbox=True)
    assert (twin.provider_slug, twin.name) == ("slack", "Slack, for trying out")
    assert world.send(where="sandbox").status_code == 200
    assert Integration.objects.filter(sandbox=True).count() == 1
    assert {item.integration_id for item in QueueItem.objects.all()} == {twin.pk}


def test_an_operator_makes_no_integration() -> None:
    world = World(Role.OPERATOR)
    answer = world.send(where="sandbox")
    assert answer.status_code == 422
    assert "Let an admin connect one" in answer.json()["error"]
    assert not QueueItem.objects.exists()


def test_a_pasted_event_is_kept_and_no_route_is_asked(door: Door) -> None:
    world = World()
    make.RouteFactory(organization=world.membership.organization, type_pattern="*", action="http.send")
    door.answer("POST", "/api/chat.postMessage", json={"ok": True, "channel": "C1", "ts": "1.2"})
    answer = world.send(event="", pasted='{"type": "note.written", "data": {"text": "Pasted"}}')
    assert answer.status_code == 200
    event = Event.objects.get(type="note.written")
    assert (event.origin, [entry["name"] for entry in event.routing]) == ("admin", ["By hand"])
    deliver()
    assert door.last.json["text"] == "Pasted"


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"rules": []}, "Save the mapping first"),
        ({"mapping": ""}, "Save the mapping first"),
        ({"integration": ""}, "Choose the integration"),
        ({"where": ""}, "Say whether"),
        ({"event": "", "pasted": ""}, "Choose an event"),
        ({"event": "", "pasted": "{oops"}, "is no JSON"),
        ({"event": "", "pasted": '{"type": "not a type", "data": {}}'}, "type"),
    ],
)
def test_what_cannot_be_sent_is_said(changed: dict[str, Any], sentence: str) -> None:
    world = World()
    answer = world.send(**changed)
    assert answer.status_code == 422
    assert sentence in answer.json()["error"]
    assert not QueueItem.objects.exists()


def test_an_integration_that_cannot_do_it_is_named() -> None:
    world = World()
    other = make.IntegrationFactory(organization=world.membership.organization, name="Sink")
    assert "Sink cannot do what this mapping" in world.send(integration=str(other.pk)).json()["error"]


def test_a_viewer_sends_nothing() -> None:
    answer = World(Role.VIEWER).send()
    assert "only operators and admins may send" in answer.json()["error"]
    assert not QueueItem.objects.exists()


def test_nothing_of_strangers_is_sent_or_shown() -> None:
    mine, other = World(), World()
    strangers = {"event": str(other.event.pk)}, {"integration": str(other.slack.pk)}
    for changed in (*strangers, {"mapping": str(other.mapping.pk)}):
        assert mine.send(**changed).status_code == 422
    item = make.QueueItemFactory(integration=other.slack, last_error="A stranger's")
    client = Client()
    client.force_login(mine.membership.user)
    text = client.get(reverse("admin:mapping_sent"), {"item": item.pk}).text
    assert "not there any more" in text
    assert "stranger" not in text


def test_rules_that_leave_defaults_out_are_the_saved_ones(door: Door) -> None:
    world = World()
    short = {"source": "data.text", "target": "text", "transforms": [{"name": "truncate", "length": 9}]}
    FieldMapping.objects.update(rules=[short])
    # As the editor sends them.
    full = {**short, "transforms": [{"name": "truncate", "length": 9, "ending": ""}], "required": False}
    assert world.send(rules=[full]).status_code == 200
    other = {**short, "transforms": [{"name": "truncate", "length": 8}]}
    assert "Save the mapping first" in world.send(rules=[other]).json()["error"]
