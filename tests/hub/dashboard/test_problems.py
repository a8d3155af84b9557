"""Acknowledging a problem: who, when, and until it happens anew."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from hub.connections.models import Circuit, Integration
from hub.dashboard import problems
from hub.delivery.models import QueueItem, State
from hub.metrics.models import Acknowledgement
from hub.sync.models import RunState, SyncRun
from tests import factories as make
from tests.hub.dashboard.world import World, build

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    made = build()
    made.rows["item"].finished_at = timezone.now() - timedelta(minutes=5)
    made.rows["item"].save()
    return made


def home(world: World, role: str = "operator") -> tuple[list[str], list[str], str]:
    """The names of the open problems, those of the acknowledged, and the verdict."""
    page = world.client(role).get(reverse("admin:index"))
    names = [
        [problem.integration.name for problem in page.context[key]] for key in ("problems", "acknowledged")
    ]
    return names[0], names[1], page.context["verdict"]["text"]


def acknowledge(world: World, role: str = "operator") -> int:
    return world.client(role).post(world.deed("integration", "acknowledge")).status_code


def test_a_known_problem_is_quiet_and_says_who_knows(world: World) -> None:
    assert home(world)[0] == ["Stripe Europe"]
    assert acknowledge(world) == 302
    found = home(world)
    assert found[:2] == ([], ["Stripe Europe"])
    assert found[2].startswith("Nothing new.")
    said = Acknowledgement.objects.get()
    assert said.by == str(world.users["operator"])
    assert f"by {said.by}" in world.client("viewer").get(reverse("admin:index")).text


def test_a_new_failure_opens_it_anew(world: World) -> None:
    acknowledge(world)
    make.QueueItemFactory(
        integration=world.rows["integration"],
        state=State.FAILED,
        last_error="It was refused.",
        finished_at=timezone.now() + timedelta(seconds=1),
    )
    assert home(world)[:2] == (["Stripe Europe"], [])


def test_another_cause_opens_it_anew_but_another_number_does_not(world: World) -> None:
    integration: Integration = world.rows["integration"]
    integration.record_test(False, "It answered with 503 after 12 ms.", 12)
    acknowledge(world)
    integration.record_test(False, "It answered with 503 after 19 ms.", 19)
    assert home(world)[0] == []
    integration.hold_for_reconnect("The key was revoked.")
    assert home(world)[0] == ["Stripe Europe"]


def test_a_viewer_cannot_acknowledge(world: World) -> None:
    assert acknowledge(world, "viewer") == 403
    assert not Acknowledgement.objects.exists()


def test_a_problem_offers_to_recover_since(world: World) -> None:
    page = world.client("operator").get(reverse("admin:index"))
    links = [button.get("link", "") for button in page.context["problems"][0].buttons]
    query = f"state__exact=failed&integration={world.rows['integration'].pk}"
    assert f"{reverse('admin:delivery_bulkrun_new')}?{query}" in links


def test_failures_that_were_not_all_looked_through_are_so_many_or_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, address = world.client("operator"), reverse("admin:index")
    assert "1 delivery" in client.get(address).text
    item = world.rows["item"]
    make.QueueItemFactory.create_batch(
        3,
        integration=item.integration,
        state=State.FAILED,
        last_error=item.last_error,
        finished_at=timezone.now(),
    )
    assert "4 deliveries" in client.get(address).text
    monkeypatch.setattr(problems, "ITEMS_READ", 2)
    assert "2 or more deliveries" in client.get(address).text


def test_integrations_beyond_the_first_are_asked_for(world: World) -> None:
    make.IntegrationFactory.create_batch(14, organization=world.organization)
    client = world.client("viewer")
    assert "Show more (3 that need less attention)" in client.get(reverse("admin:index")).text
    further = client.get(reverse("admin:home_health"), {"after": "12"})
    assert len(further.context["health"]) == 3
    assert further.context["left"] == 0


def test_letting_an_open_circuit_try_is_asked_first(world: World) -> None:
    integration = world.rows["integration"]
    Integration.objects.filter(pk=integration.pk).update(
        circuit=Circuit.OPEN, circuit_until=timezone.now() + timedelta(minutes=5)
    )
    client = world.client("operator")
    buttons = client.get(reverse("admin:index")).context["problems"][0].buttons
    link = next(button["link"] for button in buttons if button["label"] == "Try now")
    assert "What it sets moving" in client.get(link).text
    integration.refresh_from_db()
    assert integration.circuit == Circuit.OPEN


def test_a_failed_sync_is_a_problem_with_the_button_that_helps(world: World) -> None:
    QueueItem.objects.all().delete()
    assert home(world)[2] == "All is well."
    sync = make.SyncFactory(integration=world.rows["integration"], name="Customers", failing=True)
    run = SyncRun.objects.create(
        organization=world.organization,
        sync=sync,
        state=RunState.FAILED,
        message="The account is closed.",
        finished_at=timezone.now() - timedelta(minutes=5),
    )
    names, _, verdict = home(world)
    assert (names, verdict) == (["Stripe Europe"], "Stripe Europe needs somebody.")
    page = world.client("operator").get(reverse("admin:index")).text
    assert "The account is closed." in page
    assert reverse("admin:sync_syncrun_do", args=[run.pk, "resume"]) in page
    assert "Resume Customers" not in world.client("viewer").get(reverse("admin:index")).text
    assert acknowledge(world) == 302
    assert home(world)[:2] == ([], ["Stripe Europe"])
