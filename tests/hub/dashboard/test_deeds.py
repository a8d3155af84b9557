"""What people do from the admin: by role, on their own rows only, and told in a sentence."""

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from hub.connections.models import Status
from hub.delivery.models import QueueItem, State
from tests import factories as make
from tests.conftest import Door
from tests.hub.dashboard.world import World, pending

OPERATOR_DEEDS = [
    ("integration", "test"),
    ("integration", "pause"),
    ("integration", "retry-failed"),
    ("item", "retry"),
    ("item", "replay"),
    ("event", "replay"),
]
ADMIN_DEEDS = [
    ("integration", "disconnect"),
    ("route", "toggle"),
    ("endpoint", "new-address"),
    ("endpoint", "switch-off"),
    ("endpoint", "remove"),
    ("key", "revoke"),
]


ALL = OPERATOR_DEEDS + ADMIN_DEEDS


@pytest.mark.parametrize(("role", "deeds"), [("viewer", ALL), ("operator", ADMIN_DEEDS)])
def test_a_lower_role_is_refused(world: World, role: str, deeds: list[tuple[str, str]]) -> None:
    client = world.client(role)
    assert {client.post(world.deed(name, deed)).status_code for name, deed in deeds} == {403}


def test_nobody_reaches_into_another_organization(world: World, elsewhere: World) -> None:
    client = world.client("admin")
    assert {client.post(elsewhere.deed(name, deed)).status_code for name, deed in ALL} == {404}


def test_a_link_does_nothing(world: World) -> None:
    client = world.client("admin")
    integration, items = world.rows["integration"], QueueItem.objects.count()
    status = integration.status
    for name, deed in ALL:
        # Whoever signs in after a press comes back by such a link.
        assert client.get(world.deed(name, deed)).headers["Location"] == world.page(name)
    assert "Press the button again." in client.get(world.page("integration")).text
    integration.refresh_from_db()
    assert (integration.status, QueueItem.objects.count()) == (status, items)


def test_buttons_are_shown_to_those_who_may_press_them(world: World) -> None:
    pause = world.deed("integration", "pause")
    page = world.page("integration")
    assert pause in world.client("operator").get(page).content.decode()
    assert pause not in world.client("viewer").get(page).content.decode()
    assert world.deed("integration", "disconnect") not in world.client("operator").get(page).content.decode()


def test_pause_and_resume(world: World) -> None:
    client, integration = world.client("operator"), world.rows["integration"]
    answer = client.post(world.deed("integration", "pause"))
    assert answer.status_code == 302
    integration.refresh_from_db()
    assert integration.status == Status.PAUSED
    assert world.users["operator"].username in integration.status_reason
    client.post(world.deed("integration", "resume"))
    integration.refresh_from_db()
    assert integration.status == Status.ACTIVE


def test_the_test_button_tells_what_to_do(world: World, door: Door) -> None:
    door.answer("GET", "/v1/balance", 401, json={"error": {"message": "Invalid API Key provided"}})
    answer = world.client("operator").post(world.deed("integration", "test"))
    said = [str(message) for message in get_messages(answer.wsgi_request)]
    assert "Invalid API Key" in said[0]
    world.rows["integration"].refresh_from_db()
    assert world.rows["integration"].test_ok is False


def test_retry_all_failed_of_an_integration(world: World, elsewhere: World) -> None:
    world.client("operator").post(world.deed("integration", "retry-failed"))
    world.rows["item"].refresh_from_db()
    elsewhere.rows["item"].refresh_from_db()
    assert world.rows["item"].state == State.PENDING
    assert elsewhere.rows["item"].state == State.FAILED


def test_replay_makes_a_new_item_and_goes_there(world: World) -> None:
    answer = world.client("operator").post(world.deed("item", "replay"))
    copy = QueueItem.objects.get(replay_of=world.rows["item"])
    assert answer["Location"].endswith(f"{copy.pk}/change/")


def test_cancel_a_waiting_item(world: World) -> None:
    item = pending(world)
    world.client("operator").post(reverse("admin:delivery_queueitem_do", args=[item.pk, "cancel"]))
    item.refresh_from_db()
    assert item.state == State.CANCELLED


@pytest.mark.parametrize(
    ("action", "role", "state"),
    [
        ("retry_items", "operator", State.PENDING),
        ("retry_items", "viewer", State.FAILED),
        ("cancel_items", "viewer", State.FAILED),
    ],
)
def test_bulk_actions_follow_the_role(world: World, action: str, role: str, state: str) -> None:
    data = {"action": action, "_selected_action": [str(world.rows["item"].pk)]}
    world.client(role).post(reverse("admin:delivery_queueitem_changelist"), data)
    world.rows["item"].refresh_from_db()
    assert world.rows["item"].state == state


def test_bulk_actions_stop_where_the_role_ends(world: World, elsewhere: World) -> None:
    """Operator in one organization, viewer in another: the second one's rows stay as they are."""

    make.MembershipFactory(user=world.users["operator"], organization=elsewhere.organization, role="viewer")
    chosen = [str(world.rows["item"].pk), str(elsewhere.rows["item"].pk)]
    data = {"action": "retry_items", "_selected_action": chosen}
    answer = world.client("operator").post(reverse("admin:delivery_queueitem_changelist"), data)
    assert answer.status_code == 403
    elsewhere.rows["item"].refresh_from_db()
    assert elsewhere.rows["item"].state == State.FAILED


def test_home_says_what_is_wrong_with_the_button_beside(world: World) -> None:
    world.rows["integration"].hold_for_reconnect("The key was revoked.")
    text = world.client("admin").get(reverse("admin:index")).content.decode()
    assert "Needs reconnecting" in text
    assert reverse("admin:connections_integration_edit", args=[world.rows["integration"].pk]) in text
    seen_by_viewer = world.client("viewer").get(reverse("admin:index")).content.decode()
    assert (
        reverse("admin:connections_integration_edit", args=[world.rows["integration"].pk])
        not in seen_by_viewer
    )


def test_home_of_a_new_organization_says_what_comes_next(db: None) -> None:

    client = Client()
    client.force_login(make.MembershipFactory().user)
    text = client.get(reverse("admin:index")).content.decode()
    assert "Connect your first service" in text


def test_home_shows_a_curl_line_until_the_first_event(db: None) -> None:

    membership = make.MembershipFactory()
    make.IntegrationFactory(organization=membership.organization)
    client = Client()
    client.force_login(membership.user)
    text = client.get(reverse("admin:index")).content.decode()
    assert "curl http://localhost:8000/api/events" in text
