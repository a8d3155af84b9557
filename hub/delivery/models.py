"""The queue and the log: what is to be delivered, and what the hub did about it."""

import uuid
from datetime import datetime

from django.db import models

from hub.accounts.models import Organization
from hub.connections.models import Integration
from hub.lib.ids import uuid7
from hub.mapping.models import FieldMapping


class State(models.TextChoices):
    """Where a queue item stands."""

    PENDING = "pending", "Pending"
    PROCESSING = "processing", "Processing"
    COMPLETED = "completed", "Completed"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    SKIPPED = "skipped", "Skipped"


class Priority(models.IntegerChoices):
    """Order of importance. The value is the head start in seconds: an item of low priority that
    waited so much longer goes first (ageing)."""

    LOW = -600, "Low"
    NORMAL = 0, "Normal"
    HIGH = 600, "High"
    URGENT = 3600, "Urgent"


class QueueItem(models.Model):
    """One delivery to make.

    ``source_type``/``source_id`` name what is delivered (an event); ``targets`` the way it takes:
    ``[{"integration": uuid, "action": str, "mapping": int | null}, …]``, first choice first, of
    which ``target_index`` is the present one, copied into ``integration``, ``action``, ``mapping``.
    ``fence`` grows with every claim: who holds an older one may not settle.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE)
    integration = models.ForeignKey(Integration, models.CASCADE, related_name="queue_items")
    action = models.CharField(max_length=80)
    mapping = models.ForeignKey(FieldMapping, models.SET_NULL, null=True, blank=True)
    targets = models.JSONField(default=list, blank=True)
    target_index = models.PositiveSmallIntegerField(default=0)

    source_type = models.CharField(max_length=10, default="event")
    source_id = models.UUIDField(db_index=True)
    route_id = models.UUIDField(null=True, blank=True, db_index=True)
    label = models.CharField(max_length=200, blank=True, help_text="Event type, for lists.")
    subject = models.CharField(max_length=200, blank=True)

    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    priority = models.IntegerField(choices=Priority.choices, default=Priority.NORMAL)
    due_at = models.DateTimeField()
    #: Unix seconds of ``due_at`` less the head start of the priority: the order of claiming.
    claim_order = models.FloatField()
    attempts = models.PositiveIntegerField(default=0, help_text="Tries in all.")
    tries = models.PositiveIntegerField(default=0, help_text="Tries at the present target.")
    fence = models.PositiveIntegerField(default=0)
    lease_owner = models.CharField(max_length=60, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)

    last_error_kind = models.CharField(max_length=20, blank=True)
    last_error = models.CharField(max_length=1000, blank=True)
    external_id = models.CharField(max_length=200, blank=True, db_index=True)
    result = models.JSONField(null=True, blank=True)
    replay_of = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="replays")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["integration", "claim_order"], name="queue_due", condition=models.Q(state="pending")
            ),
            models.Index(fields=["lease_until"], name="queue_leased", condition=models.Q(state="processing")),
            models.Index(fields=["organization", "state", "-id"], name="queue_state"),
        ]

    def __str__(self) -> str:
        return f"{self.label} → {self.action}"

    @property
    def idempotency_key(self) -> str:
        """The same on every attempt, also at a fallback; handed to the provider."""
        return f"hub_{self.id.hex if isinstance(self.id, uuid.UUID) else self.id}"

    @staticmethod
    def order(due_at: datetime, priority: int) -> float:
        """Return ``claim_order`` for a due time and a priority."""
        return due_at.timestamp() - priority


class LogKind(models.TextChoices):
    """What the hub did with an external system."""

    DELIVERY = "delivery", "Delivery attempt"
    TEST = "test", "Connection test"
    TOKEN = "token", "Token refresh"
    SYNC = "sync", "Sync page"
    WEBHOOK = "webhook", "Webhook"
    STATE = "state", "Change of state"


class IntegrationLog(models.Model):
    """Append-only: what the hub did with an external system, and what it answered (redacted)."""

    id = models.BigAutoField(primary_key=True)
    organization = models.ForeignKey(Organization, models.CASCADE)
    integration = models.ForeignKey(Integration, models.CASCADE, related_name="logs")
    kind = models.CharField(max_length=10, choices=LogKind.choices)
    outcome = models.CharField(max_length=20, help_text="ok, or the kind of the error.")
    message = models.CharField(max_length=1000, blank=True)
    hint = models.CharField(max_length=500, blank=True)
    action = models.CharField(max_length=80, blank=True)
    item_id = models.UUIDField(null=True, blank=True, db_index=True)
    source_id = models.UUIDField(null=True, blank=True, db_index=True)
    attempt = models.PositiveIntegerField(default=0)
    status_code = models.PositiveSmallIntegerField(null=True, blank=True)
    duration_ms = models.PositiveIntegerField(default=0)
    exchanges = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["integration", "-id"], name="log_of_integration"),
            models.Index(fields=["organization", "-id"], name="log_of_organization"),
            models.Index(fields=["created_at"], name="log_age"),
            # The latest problems, found at once however long all has gone well.
            models.Index(
                fields=["organization", "-id"], name="log_problems", condition=~models.Q(outcome="ok")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.outcome}"


class WorkerBeat(models.Model):
    """A worker process and its latest sign of life; times are the database's (``hub.delivery.beats``)."""

    name = models.CharField(primary_key=True, max_length=60)
    version = models.CharField(max_length=40, blank=True, help_text="Of the code it runs.")
    setup = models.CharField(
        max_length=16, blank=True, help_text="Fingerprint of settings all must share.", db_default=""
    )
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    in_flight = models.PositiveIntegerField(default=0, help_text="Deliveries under way.")

    def __str__(self) -> str:
        return self.name
