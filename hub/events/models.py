"""Event types, events and routes."""

from django.db import models

from hub.accounts.models import Organization
from hub.connections.models import Integration
from hub.delivery.models import Priority
from hub.lib.ids import uuid7
from hub.lib.models import Timestamped
from hub.mapping.models import FieldMapping
from integrations.base.registry import managed_slugs


class EventType(Timestamped):
    """A registered type of event, with an optional JSON Schema of its data."""

    class OnInvalid(models.TextChoices):
        """What happens to data that does not fit the schema."""

        WARN = "warn", "Accept, with a warning on the event"
        REJECT = "reject", "Refuse with an error"

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="event_types")
    name = models.CharField(max_length=200, help_text="For example order.paid")
    description = models.TextField(blank=True)
    schema = models.JSONField(null=True, blank=True, help_text="JSON Schema (2020-12) of the data.")
    on_invalid = models.CharField(max_length=10, choices=OnInvalid.choices, default=OnInvalid.WARN)
    example = models.JSONField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "name"], name="event_type_once")]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Event(models.Model):
    """Something that happened, as CloudEvents 1.0 describes it; kept also where no route wanted it.

    ``routing`` tells what each route decided: ``[{"route": uuid, "name": str, "outcome":
    "queued" | "filtered" | "disabled" | "error", "reason": str}]``.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="events", db_index=False)
    type = models.CharField(max_length=200)
    source = models.CharField(max_length=500, blank=True)
    subject = models.CharField(max_length=200, blank=True)
    time = models.DateTimeField()
    data = models.JSONField(null=True)
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)
    origin = models.CharField(max_length=10, default="api", help_text="api, webhook, admin, hub or replay.")
    webhook_id = models.BigIntegerField(null=True, blank=True, help_text="The received webhook.")
    warnings = models.JSONField(default=list, blank=True)
    routing = models.JSONField(default=list, blank=True)
    received_at = models.DateTimeField(auto_now_add=True)
    data_removed_at = models.DateTimeField(
        null=True, blank=True, help_text="When its data went because the retention of contents had passed."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "idempotency_key"], name="event_key_once")
        ]
        indexes = [
            models.Index(fields=["organization", "-id"], name="event_newest"),
            models.Index(fields=["organization", "type", "-id"], name="event_by_type"),
            # What an application did not send is found at once among millions that it did.
            models.Index(
                fields=["organization", "origin", "-id"],
                name="event_by_origin",
                condition=~models.Q(origin="api"),
            ),
            # The class of operators lets PostgreSQL find beginnings, in whatever language it sorts.
            models.Index(
                fields=["organization", "subject"],
                name="event_by_subject",
                opclasses=["int8_ops", "varchar_pattern_ops"],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.subject}".strip()


class Routes(models.QuerySet["Route"]):
    """Rows of routes."""

    def listed(self) -> "Routes":
        """Those that people made; not those that a part of the hub makes and shows by itself."""
        return self.exclude(integration__provider_slug__in=managed_slugs())


class Route(Timestamped):
    """Which events go to which integration and action, through which mapping."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="routes")
    name = models.CharField(max_length=120)
    slug = models.SlugField(
        "short name", max_length=60, help_text="In URLs, the API and configuration files."
    )
    enabled = models.BooleanField(default=True)
    type_pattern = models.CharField(
        max_length=1000,
        help_text="order.* takes order.paid and order.line.added; * takes everything; several: with commas.",
    )
    filter = models.CharField(
        max_length=1000, blank=True, help_text="JMESPath over the event; empty takes all."
    )
    integration = models.ForeignKey(Integration, models.CASCADE, related_name="routes")
    action = models.CharField(max_length=80)
    mapping = models.ForeignKey(FieldMapping, models.RESTRICT, null=True, blank=True)
    priority = models.IntegerField(choices=Priority.choices, default=Priority.NORMAL)
    purpose = models.CharField(max_length=60, blank=True, help_text="Why personal data is used here.")
    delay = models.PositiveIntegerField(default=0, help_text="Seconds to wait before delivery.")
    ordered = models.BooleanField(
        default=False,
        db_default=False,
        verbose_name="In order",
        help_text="Events of one subject go one after the other: the next when the one before is delivered "
        "or given up. One that is tried again holds up its subject only. Slower: leave it off unless needed.",
    )

    objects = Routes.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "slug"], name="route_slug_once")]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class RouteFallback(models.Model):
    """Where an event goes when the integrations before it fail."""

    route = models.ForeignKey(Route, models.CASCADE, related_name="fallbacks")
    position = models.PositiveSmallIntegerField(default=1)
    integration = models.ForeignKey(Integration, models.CASCADE, related_name="fallback_for")
    action = models.CharField(max_length=80)
    mapping = models.ForeignKey(FieldMapping, models.RESTRICT, null=True, blank=True)

    class Meta:
        ordering = ["position"]

    def __str__(self) -> str:
        return f"{self.position}. {self.integration}"
