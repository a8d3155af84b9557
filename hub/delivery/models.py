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


#: What nothing more is done about by itself.
FINISHED = (State.COMPLETED, State.FAILED, State.CANCELLED, State.SKIPPED)


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
    ``fence`` grows with every claim: who holds an older one may not settle. Items of one ``sequence``
    are claimed one after the other, the oldest first.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Every index costs each item three times: made, claimed, settled. Those below begin with it.
    organization = models.ForeignKey(Organization, models.CASCADE, db_index=False, db_constraint=False)
    integration = models.ForeignKey(Integration, models.CASCADE, related_name="queue_items")
    action = models.CharField(max_length=80)
    mapping = models.ForeignKey(FieldMapping, models.SET_NULL, null=True, blank=True, db_index=False)
    targets = models.JSONField(default=list, blank=True)
    target_index = models.PositiveSmallIntegerField(default=0)

    source_type = models.CharField(max_length=10, default="event")
    source_id = models.UUIDField(db_index=True)
    route_id = models.UUIDField(null=True, blank=True, db_index=True)
    label = models.CharField(max_length=200, blank=True, help_text="Event type, for lists.")
    subject = models.CharField(max_length=200, blank=True)

    sequence = models.UUIDField(null=True, blank=True)
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
    external_id = models.CharField(max_length=200, blank=True)
    result = models.JSONField(null=True, blank=True)
    replay_of = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="replays", db_index=False
    )
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["integration", "claim_order"], name="queue_due", condition=models.Q(state="pending")
            ),
            models.Index(fields=["lease_until"], name="queue_leased", condition=models.Q(state="processing")),
            models.Index(fields=["organization", "state", "-id"], name="queue_state"),
            # Nothing is in it but what has an order and is not finished.
            models.Index(
                fields=["sequence", "created_at"],
                name="queue_sequence",
                condition=models.Q(sequence__isnull=False, state__in=["pending", "processing"]),
            ),
            # What failed, by integration, is counted from this alone; only a failure writes it.
            models.Index(
                fields=["organization", "integration"],
                name="queue_failed",
                condition=models.Q(state="failed"),
            ),
            # Most items are in none of these.
            models.Index(
                fields=["organization", "priority", "-id"],
                name="queue_priority",
                condition=~models.Q(priority=Priority.NORMAL),
            ),
            models.Index(fields=["mapping"], name="queue_mapping", condition=models.Q(mapping__isnull=False)),
            # What is tried again, newest first, beside whatever else waits.
            models.Index(
                fields=["organization", "-id"],
                name="queue_tried",
                condition=models.Q(state="pending", attempts__gt=0) & ~models.Q(last_error=""),
            ),
            models.Index(
                fields=["replay_of"], name="queue_replay", condition=models.Q(replay_of__isnull=False)
            ),
            # The class of operators lets PostgreSQL find beginnings, in whatever language it sorts.
            models.Index(
                fields=["external_id"],
                name="queue_external",
                condition=~models.Q(external_id=""),
                opclasses=["varchar_pattern_ops"],
            ),
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
    organization = models.ForeignKey(Organization, models.CASCADE, db_index=False, db_constraint=False)
    integration = models.ForeignKey(Integration, models.CASCADE, related_name="logs", db_index=False)
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
            models.Index(
                fields=["integration", "-id"], name="log_problems_of", condition=~models.Q(outcome="ok")
            ),
            # What is no delivery is found at once among millions of them.
            models.Index(
                fields=["organization", "kind", "-id"],
                name="log_kind",
                condition=~models.Q(kind=LogKind.DELIVERY),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.action}" if self.action else self.get_kind_display()


class BulkDeed(models.TextChoices):
    """What is done to every item of a selection."""

    RETRY = "retry", "Retry: make due now, with fresh tries"
    CANCEL = "cancel", "Cancel: end what waits"
    REPLAY = "replay", "Replay: send again as new deliveries"


class BulkRun(models.Model):
    """One deed to many queue items, done by a worker step by step (``hub.delivery.bulk``).

    ``selection``: which items, as ``bulk.Selection`` keeps it. ``cursor`` is the last item looked at; it
    moves in the transaction that does the deed, so that a worker that dies leaves nothing half counted.
    Items made from ``before`` on are left alone: a replay does not replay its own copies.
    """

    class State(models.TextChoices):
        """Where it stands."""

        RUNNING = "running", "Running"
        COMPLETED = "completed", "Completed"
        CANCELLED = "cancelled", "Cancelled"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    deed = models.CharField(max_length=10, choices=BulkDeed.choices)
    selection = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=State.choices, default=State.RUNNING)
    message = models.CharField(max_length=1000, blank=True)
    total = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Items at the start, where known."
    )
    looked_at = models.PositiveBigIntegerField(default=0)
    done = models.PositiveBigIntegerField(default=0, help_text="Items that the deed changed.")
    cursor = models.UUIDField(null=True, blank=True)
    before = models.UUIDField()
    started_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["organization", "-id"], name="bulk_of_organization"),
            models.Index(fields=["id"], name="bulk_running", condition=models.Q(state="running")),
        ]

    def __str__(self) -> str:
        return f"{BulkDeed(self.deed).label.partition(':')[0]} many"

    @property
    def percent(self) -> int | None:
        """How far it is, 0 to 100; None where nobody counted how much there is."""
        if self.state == self.State.COMPLETED:
            return 100
        return None if not self.total else min(99, self.looked_at * 100 // self.total)

    @property
    def left_alone(self) -> int:
        """Items that had changed meanwhile, so that the deed did not apply to them any more."""
        return self.looked_at - self.done


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


class WorkerSlots(models.Model):
    """What a worker may have under way of an integration, until then (``hub.delivery.slots``)."""

    # No foreign key: who writes here would wait for whoever locks or deletes the integration, and all other
    # workers with it. The row of one that is gone ends by itself.
    integration_id = models.UUIDField()
    holder = models.CharField(max_length=80)
    count = models.PositiveIntegerField()
    until = models.DateTimeField(help_text="By the database's clock.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["integration_id", "holder"], name="slots_of_worker")]

    def __str__(self) -> str:
        return f"{self.count} of {self.holder}"
