"""Liveness, readiness, metrics and the API's own description."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone

from hub.api import system
from hub.delivery.models import WorkerBeat
from hub.lib.keyring import KeyringError
from tests.factories import IntegrationFactory, OrganizationFactory, QueueItemFactory
from tests.hub.api.conftest import API

pytestmark = pytest.mark.django_db


def test_healthz_asks_nothing(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert Client().get("/healthz").json() == {"status": "ok"}


def test_readyz_when_all_is_well() -> None:
    answer = Client().get("/readyz")

    assert answer.status_code == 200
    assert answer.json()["checks"] == dict.fromkeys(("database", "migrations", "keys", "deliveries"), "ok")


@pytest.mark.parametrize(
    ("name", "error"), [("database", DatabaseError("x")), ("migrations", DatabaseError("x"))]
)
def test_readyz_names_what_is_missing(monkeypatch: pytest.MonkeyPatch, name: str, error: Exception) -> None:
    def fail() -> str:
        raise error

    monkeypatch.setitem(system.CHECKS, name, fail)
    answer = Client().get("/readyz")

    assert answer.status_code == 503
    assert "does not answer" in answer.json()["checks"][name]


def test_readyz_says_when_the_keys_do_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    def foreign() -> None:
        raise KeyringError("encrypted with key 12345678")

    monkeypatch.setattr(system, "check_keys", foreign)
    answer = Client().get("/readyz")

    assert answer.status_code == 503
    assert "12345678" not in answer.content.decode()


class TestDeliveries:
    """/readyz while something is due."""

    def overdue(self) -> None:
        QueueItemFactory(due_at=timezone.now() - timedelta(minutes=5))

    def beat(self, seconds_ago: int) -> None:
        seen = timezone.now() - timedelta(seconds=seconds_ago)
        WorkerBeat.objects.create(name="worker-1", started_at=seen, seen_at=seen)

    def test_not_ready_while_nobody_delivers(self) -> None:
        self.overdue()
        self.beat(seconds_ago=120)

        answer = Client().get("/readyz")

        assert answer.status_code == 503
        assert "no worker" in answer.json()["checks"]["deliveries"]

    def test_ready_again_with_a_sign_of_life(self) -> None:
        self.overdue()
        self.beat(seconds_ago=5)

        assert Client().get("/readyz").status_code == 200

    def test_events_are_worth_accepting_all_the_same(self) -> None:
        self.overdue()

        answer = Client().get("/readyz?for=web")

        assert answer.status_code == 200
        assert "deliveries" not in answer.json()["checks"]

    def test_what_is_due_later_needs_no_worker_yet(self) -> None:
        QueueItemFactory(due_at=timezone.now() + timedelta(hours=1))

        assert Client().get("/readyz").status_code == 200


class TestMetrics:
    def test_a_key_sees_its_organization(self, api: API) -> None:
        mine = IntegrationFactory(organization=api.organization, slug="mine")
        QueueItemFactory(integration=mine)
        IntegrationFactory(slug="theirs")

        text = api.get("/metrics").content.decode()

        labels = f'integration="mine",organization="{api.organization.slug}",provider="http"'
        assert f'interchange_queue_items{{{labels},state="pending"}} 1.0' in text
        assert "theirs" not in text

    def test_this_machine_sees_all_of_an_embedded_hub(self, hub: Any) -> None:
        IntegrationFactory(slug="theirs")

        assert b"theirs" in Client().get("/metrics").content
        hub(broker_url="redis://localhost")
        assert Client().get("/metrics").status_code == 401

    @pytest.mark.parametrize(
        "headers", [{"X-Forwarded-For": "203.0.113.9"}, {"Forwarded": "for=1"}, {"Via": "p"}]
    )
    def test_a_proxy_on_this_machine_is_not_this_machine(self, headers: dict[str, str]) -> None:
        assert Client().get("/metrics", headers=headers).status_code == 401

    def test_others_need_a_key(self) -> None:
        assert Client().get("/metrics", REMOTE_ADDR="192.0.2.1").status_code == 401
        assert Client().get("/metrics", headers={"X-API-Key": "ick_x_y"}).status_code == 401


def test_the_description_is_valid_and_names_every_address(tmp_path: Any) -> None:
    target = tmp_path / "schema.yaml"

    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(target))

    text = target.read_text()
    for path in (
        "/api/events",
        "/api/events/{id}",
        "/api/integrations/status",
        "/api/integrations/health",
        "/api/integrations/{integration}/health",
        "/api/integrations/test/{integration}",
        "/api/integrations/logs",
    ):
        assert f"\n  {path}:\n" in text
    assert "application/problem+json" in text


def test_schema_and_docs_are_open_and_load_nothing_from_elsewhere() -> None:
    OrganizationFactory()
    schema = Client().get("/api/schema")
    docs = Client().get("/api/docs")

    assert schema.status_code == docs.status_code == 200
    assert b"swagger" in docs.content.lower()
    assert b"cdn" not in docs.content.lower()
