"""Rows for tests. Every factory makes its own organization unless it is given one."""

from datetime import timedelta
from typing import Any

import factory
from django.contrib.auth import get_user_model
from django.utils import timezone
from factory.django import DjangoModelFactory

from hub.accounts.models import APIKey, Membership, Organization, Role, Scope
from hub.connections.models import Credential, Integration
from hub.delivery.models import BulkDeed, BulkRun, IntegrationLog, LogKind, Priority, QueueItem, State
from hub.events.models import Event, EventType, Route, RouteFallback
from hub.files import store
from hub.files.models import FileImport
from hub.lib.ids import uuid7
from hub.mapping.models import FieldMapping
from hub.metrics.models import HealthReport
from hub.sync.models import Direction, Record, RecordType, Sync
from hub.sync.records import fingerprint
from webhooks import subscriptions
from webhooks.models import ReceivedWebhook, Subscription, WebhookEndpoint


class OrganizationFactory(DjangoModelFactory):
    class Meta:
        model = Organization

    name = factory.Sequence(lambda n: f"Organization {n}")
    slug = factory.Sequence(lambda n: f"organization-{n}")


class UserFactory(DjangoModelFactory):
    """A user who may sign in to the admin; the password is ``password``."""

    class Meta:
        model = get_user_model()
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"user{n}")
    email = factory.LazyAttribute(lambda user: f"{user.username}@example.com")
    is_staff = True

    @factory.post_generation
    def password(self, create: bool, extracted: str | None, **_: Any) -> None:
        self.set_password(extracted or "password")
        if create:
            self.save()


class MembershipFactory(DjangoModelFactory):
    class Meta:
        model = Membership

    user = factory.SubFactory(UserFactory)
    organization = factory.SubFactory(OrganizationFactory)
    role = Role.ADMIN


class IntegrationFactory(DjangoModelFactory):
    """An integration of the ``http`` provider. Give ``credential=False`` for one without secrets row,
    or ``credential__secrets={…}``/``credential__tokens={…}`` to fill it."""

    class Meta:
        model = Integration
        skip_postgeneration_save = True

    organization = factory.SubFactory(OrganizationFactory)
    provider_slug = "http"
    name = factory.Sequence(lambda n: f"Integration {n}")
    slug = factory.Sequence(lambda n: f"integration-{n}")
    settings = factory.LazyFunction(dict)

    @factory.post_generation
    def credential(self, create: bool, extracted: bool | None, **values: Any) -> None:
        if create and extracted is not False:
            CredentialFactory(integration=self, **values)


class CredentialFactory(DjangoModelFactory):
    """The secrets of an integration. ``IntegrationFactory`` makes one already."""

    class Meta:
        model = Credential

    integration = factory.SubFactory(IntegrationFactory, credential=False)
    secrets = factory.LazyFunction(dict)
    tokens = factory.LazyFunction(dict)


class FieldMappingFactory(DjangoModelFactory):
    class Meta:
        model = FieldMapping

    organization = factory.SubFactory(OrganizationFactory)
    name = factory.Sequence(lambda n: f"Mapping {n}")
    slug = factory.Sequence(lambda n: f"mapping-{n}")
    rules = factory.LazyFunction(list)


class EventTypeFactory(DjangoModelFactory):
    class Meta:
        model = EventType

    organization = factory.SubFactory(OrganizationFactory)
    name = "order.paid"


class EventFactory(DjangoModelFactory):
    class Meta:
        model = Event

    organization = factory.SubFactory(OrganizationFactory)
    type = "order.paid"
    source = "https://shop.example.com"
    subject = factory.Sequence(lambda n: f"order-{n}")
    time = factory.LazyFunction(timezone.now)
    data = factory.LazyFunction(lambda: {"id": "A-1", "email": "ann@example.com", "total": "12.50"})


class RouteFactory(DjangoModelFactory):
    """A route of every ``order.*`` event to an integration of the same organization."""

    class Meta:
        model = Route

    organization = factory.SubFactory(OrganizationFactory)
    name = factory.Sequence(lambda n: f"Route {n}")
    slug = factory.Sequence(lambda n: f"route-{n}")
    type_pattern = "order.*"
    integration = factory.SubFactory(IntegrationFactory, organization=factory.SelfAttribute("..organization"))
    action = "http.send"


class RouteFallbackFactory(DjangoModelFactory):
    class Meta:
        model = RouteFallback

    route = factory.SubFactory(RouteFactory)
    position = factory.Sequence(lambda n: n + 1)
    integration = factory.SubFactory(
        IntegrationFactory, organization=factory.SelfAttribute("..route.organization")
    )
    action = "http.send"


class QueueItemFactory(DjangoModelFactory):
    """A pending item that is due now; ``event=`` says what it delivers (one is made otherwise)."""

    class Meta:
        model = QueueItem

    class Params:
        event = factory.SubFactory(
            EventFactory, organization=factory.SelfAttribute("..integration.organization")
        )

    integration = factory.SubFactory(IntegrationFactory)
    organization = factory.SelfAttribute("integration.organization")
    action = "http.send"
    mapping = None
    targets = factory.LazyFunction(list)
    source_type = "event"
    source_id = factory.LazyAttribute(lambda item: item.event.pk)
    label = factory.LazyAttribute(lambda item: item.event.type)
    subject = factory.LazyAttribute(lambda item: item.event.subject)
    state = State.PENDING
    priority = Priority.NORMAL
    due_at = factory.LazyFunction(timezone.now)
    claim_order = factory.LazyAttribute(lambda item: QueueItem.order(item.due_at, item.priority))


class BulkRunFactory(DjangoModelFactory):
    """A run over the failed deliveries that has ended without finding one."""

    class Meta:
        model = BulkRun

    organization = factory.SubFactory(OrganizationFactory)
    deed = BulkDeed.RETRY
    selection = factory.LazyFunction(lambda: {"state": State.FAILED.value})
    state = BulkRun.State.COMPLETED
    before = factory.LazyFunction(uuid7)


class IntegrationLogFactory(DjangoModelFactory):
    class Meta:
        model = IntegrationLog

    integration = factory.SubFactory(IntegrationFactory)
    organization = factory.SelfAttribute("integration.organization")
    kind = LogKind.DELIVERY
    outcome = "ok"
    created_at = factory.LazyFunction(timezone.now)


class WebhookEndpointFactory(DjangoModelFactory):
    """An endpoint; ``token=`` chooses the token, ``secrets=`` the present secrets."""

    class Meta:
        model = WebhookEndpoint

    class Params:
        token = ""
        secrets = {}

    integration = factory.SubFactory(IntegrationFactory)
    organization = factory.SelfAttribute("integration.organization")
    name = factory.Sequence(lambda n: f"Endpoint {n}")
    slug = factory.Sequence(lambda n: f"endpoint-{n}")

    @classmethod
    def _create(cls, model_class: type[WebhookEndpoint], *args: Any, **kwargs: Any) -> WebhookEndpoint:
        token, secrets = kwargs.pop("_token"), kwargs.pop("_secrets")
        endpoint = model_class(*args, **kwargs)
        endpoint.keys = {"current": secrets}
        endpoint.set_token(token)
        endpoint.save()
        return endpoint

    _token = factory.SelfAttribute("token")
    _secrets = factory.SelfAttribute("secrets")


class ReceivedWebhookFactory(DjangoModelFactory):
    class Meta:
        model = ReceivedWebhook

    endpoint = factory.SubFactory(WebhookEndpointFactory)
    organization = factory.SelfAttribute("endpoint.organization")
    state = ReceivedWebhook.State.RECEIVED
    method = "POST"
    body = b"{}"


class HealthReportFactory(DjangoModelFactory):
    """A report on yesterday, about nothing."""

    class Meta:
        model = HealthReport

    organization = factory.SubFactory(OrganizationFactory)
    day = factory.LazyFunction(lambda: timezone.localdate() - timedelta(days=1))
    summary = "Nothing was delivered. All is well."
    figures = factory.LazyFunction(lambda: {"integrations": []})
    text = "Nothing was delivered. All is well."


def subscription(organization: Organization | None = None, **wanted: Any) -> tuple[Subscription, str]:
    """Return a subscription to ``order.*`` and its secret."""
    given = {"url": "https://hooks.example.com/in", "types": ["order.*"], "name": "Partner", **wanted}
    return subscriptions.create(organization or OrganizationFactory(), subscriptions.Wanted(**given))


def api_key(organization: Organization | None = None, scopes: Any = tuple(Scope), **extra: Any) -> str:
    """Issue a key with ``scopes`` (all unless said) and return its text."""
    return APIKey.issue(organization or OrganizationFactory(), "Tests", list(scopes), **extra)[1]


class RecordTypeFactory(DjangoModelFactory):
    """A type whose records are named by ``id``; anything fits it."""

    class Meta:
        model = RecordType

    organization = factory.SubFactory(OrganizationFactory)
    name = factory.Sequence(lambda n: f"type-{n}")


class RecordFactory(DjangoModelFactory):
    class Meta:
        model = Record

    type = factory.SubFactory(RecordTypeFactory)
    organization = factory.SelfAttribute("type.organization")
    key = factory.Sequence(str)
    data = factory.LazyAttribute(lambda record: {"id": record.key})
    fingerprint = factory.LazyAttribute(lambda record: fingerprint(record.data))
    changed_at = factory.LazyFunction(timezone.now)


class FileImportFactory(DjangoModelFactory):
    """A CSV file that waits for its columns."""

    class Meta:
        model = FileImport
        skip_postgeneration_save = True

    type = factory.SubFactory(RecordTypeFactory)
    organization = factory.SelfAttribute("type.organization")
    name = "clients.csv"
    kind = "csv"
    encoding = "utf-8"
    separator = ","
    state = "uploaded"
    columns = factory.LazyFunction(
        lambda: [{"column": name, "field": name, "kind": "text"} for name in ("id", "name")]
    )
    content_kept = factory.PostGeneration(lambda file, create, given, **_: _keep(file, given))


def _keep(file: FileImport, content: bytes | None) -> None:
    store.keep(file, [content or b"id,name\n1,Ann\n,Bob\n"])
    file.save()


class SyncFactory(DjangoModelFactory):
    class Meta:
        model = Sync

    type = factory.SubFactory(RecordTypeFactory)
    organization = factory.SelfAttribute("type.organization")
    integration = factory.SubFactory(
        IntegrationFactory, organization=factory.SelfAttribute("..type.organization")
    )
    name = factory.Sequence(lambda n: f"Sync {n}")
    slug = factory.Sequence(lambda n: f"sync-{n}")
    direction = Direction.PUSH
    action = "http.send"
