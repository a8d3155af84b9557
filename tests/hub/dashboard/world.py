"""One organization with a row of everything, members of each role, and a stranger's organization."""

from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from hub.accounts.models import APIKey, Organization, Role
from hub.audit.models import Entry
from hub.delivery.models import QueueItem, State
from hub.files.columns import shape
from hub.files.models import ImportMapping
from hub.identity.invitations import invite
from hub.quality.models import Drift, QualityRule
from hub.sync.models import ExternalLink
from tests import factories as make

#: Planted wherever a secret is kept; no page may show it.
SENTINEL = "SENTINEL-7c1f-never-shown"


@dataclass
class World:
    """Rows to look at. ``users`` by role."""

    organization: Organization
    rows: dict[str, Any]
    users: dict[str, User] = field(default_factory=dict)

    def client(self, role: str) -> Client:
        client = Client()
        client.force_login(self.users[role])
        return client

    def page(self, name: str) -> str:
        """The address of one row's own page."""
        row = self.rows[name]
        return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])

    def deed(self, name: str, deed: str) -> str:
        """The address of a deed to one row."""
        row = self.rows[name]
        return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_do", args=[row.pk, deed])


def build() -> World:
    """Make the world anew."""
    organization = make.OrganizationFactory()
    integration = make.IntegrationFactory(
        organization=organization,
        provider_slug="stripe",
        name="Stripe Europe",
        auth_key="",
        credential__secrets={"api_key": SENTINEL},
        credential__tokens={"access_token": SENTINEL, "refresh_token": SENTINEL},
    )
    mapping = make.FieldMappingFactory(
        organization=organization, rules=[{"source": "data.email", "target": "email", "transforms": []}]
    )
    route = make.RouteFactory(organization=organization, integration=integration, mapping=mapping)
    decision = {"route": str(route.pk), "name": route.name, "outcome": "queued", "reason": ""}
    event = make.EventFactory(organization=organization, routing=[decision])
    item = make.QueueItemFactory(
        integration=integration, event=event, state=State.FAILED, attempts=1, last_error="It was refused."
    )
    endpoint = make.WebhookEndpointFactory(integration=integration, secrets={"signing_secret": SENTINEL})
    key, _ = APIKey.issue(organization, "Shop", ["events:write"])
    exchange = {
        "method": "POST",
        "url": "https://api.example.com/v1",
        "request_headers": {"Authorization": "•••"},
        "request_body": '{"a": 1}',
        "status": 400,
        "response_headers": {},
        "response_body": '{"error": "no"}',
        "duration_ms": 12,
        "error": "",
    }
    rows = {
        "organization": organization,
        "integration": integration,
        "event": event,
        "event_type": make.EventTypeFactory(organization=organization),
        "mapping": mapping,
        "route": route,
        "item": item,
        "log": make.IntegrationLogFactory(
            integration=integration,
            outcome="permanent",
            message="It was refused.",
            item_id=item.pk,
            source_id=event.pk,
            attempt=1,
            exchanges=[exchange],
        ),
        "endpoint": endpoint,
        "received": make.ReceivedWebhookFactory(endpoint=endpoint, events=[str(event.pk)]),
        "key": key,
        "report": make.HealthReportFactory(organization=organization),
        **records(organization, integration),
        "subscription": make.subscription(organization)[0],
        "bulk_run": make.BulkRunFactory(organization=organization),
    }
    world = World(organization, rows)
    for role in Role:
        # Members need no ``is_staff``: belonging to an organization is enough.
        world.users[role.value] = make.UserFactory(is_staff=False)
        membership = make.MembershipFactory(
            user=world.users[role.value], organization=organization, role=role
        )
    rows["membership"] = membership
    rows["invitation"] = invite(
        organization, f"guest@{organization.slug}.example.com", Role.VIEWER, None
    ).invitation
    rows["change"] = Entry.objects.filter(organization=organization).latest("pk")
    return world


def records(organization: Organization, integration: Any) -> dict[str, Any]:
    """A record that the integration has, and a file that waits for its columns."""
    kind = make.RecordTypeFactory(organization=organization)
    record = make.RecordFactory(type=kind)
    link = {"record": record, "integration": integration, "read": {"id": "1", "name": "Ann"}}
    ExternalLink.objects.create(**link, read_at=record.changed_at)
    file = make.FileImportFactory(type=kind)
    columns = [{"column": "id", "field": "id", "kind": "text"}]
    mapping = ImportMapping.objects.create(
        organization=organization, type=kind, name="Clients", columns=columns, shape=shape(["id"])
    )
    rule = QualityRule.objects.create(type=kind, field="name", kind="required")
    drift = Drift.objects.create(
        organization=organization,
        integration=integration,
        source="customers",
        changes=[{"field": "plan", "what": "new", "before": "empty", "after": "text"}],
        found_at=record.changed_at,
    )
    made = {"record_type": kind, "record": record, "import": file, "import_mapping": mapping}
    return {**made, "rule": rule, "drift": drift}


def pending(world: World) -> QueueItem:
    """A further item, which waits."""
    return make.QueueItemFactory(integration=world.rows["integration"], event=world.rows["event"])
