"""Records, what integrations hold of them, and the runs that keep both in step."""

from django.db import models
from django.utils import timezone

from hub.accounts.models import Organization
from hub.connections.models import Integration
from hub.delivery.load import lasting
from hub.lib.ids import uuid7
from hub.lib.models import Timestamped
from hub.mapping.models import FieldMapping


class RecordType(Timestamped):
    """A kind of business object (customer, company, invoice), and what its records look like."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="record_types")
    name = models.SlugField(max_length=60, help_text="In URLs and the API: customer.")
    label = models.CharField(max_length=120, blank=True, help_text="For people: Customers.")
    schema = models.JSONField(
        default=dict, blank=True, help_text="JSON Schema that records must fit; empty: any object."
    )
    key_field = models.CharField(
        max_length=120, default="id", help_text="The field that names a record, in files and pulls: email."
    )
    subject_field = models.CharField(
        max_length=120, blank=True, help_text="The field that people know a record by: name."
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "name"], name="record_type_once")]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.label or self.name


class Record(models.Model):
    """The hub's copy of one business object.

    ``fingerprint`` is of the data (``records.fingerprint``); that of a deleted record begins with a
    minus sign, so that being deleted is a change like any other. ``origin`` is the integration that
    the latest change came from; none: an application or a file.
    """

    # Both begin an index of more columns; one of their own would cost every import.
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+", db_index=False)
    type = models.ForeignKey(RecordType, models.CASCADE, related_name="records", db_index=False)
    key = models.CharField(max_length=200)
    subject = models.CharField(max_length=200, blank=True)
    data = models.JSONField(default=dict)
    fingerprint = models.CharField(max_length=32)
    deleted = models.BooleanField(default=False)
    changed_at = models.DateTimeField()
    origin = models.ForeignKey(Integration, models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["type", "key"], name="record_once")]
        indexes = [
            models.Index(fields=["type", "id"], name="record_of_type"),
            models.Index(fields=["organization", "-id"], name="record_of_organization"),
        ]

    def __str__(self) -> str:
        return self.subject or self.key


class ExternalLink(models.Model):
    """What an integration holds of a record.

    ``fingerprint`` is the record's as it was last sent or read there (empty: never); ``recipe`` names
    the action and mapping it was sent by, empty where it was read. ``base`` are the record's fields as
    both sides had them last: what differs from it there was changed there, what differs here, here.
    """

    # Both begin an index of two columns.
    record = models.ForeignKey(Record, models.CASCADE, related_name="links", db_index=False)
    integration = models.ForeignKey(
        Integration, models.CASCADE, related_name="external_links", db_index=False
    )
    external_id = models.CharField(max_length=200, blank=True)
    fingerprint = models.CharField(max_length=32, blank=True)
    recipe = models.CharField(max_length=16, blank=True)
    sent = models.JSONField(null=True, blank=True, help_text="The action's input, as it was last sent.")
    sent_at = models.DateTimeField(null=True, blank=True)
    read = models.JSONField(null=True, blank=True, help_text="The record's fields, as they were last read.")
    read_at = models.DateTimeField(null=True, blank=True)
    base = models.JSONField(null=True, blank=True, help_text="The fields as both sides had them last.")
    error = models.CharField(
        max_length=1000, blank=True, help_text="Why it was refused last; empty: it was not."
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["record", "integration"], name="external_link_once")]
        indexes = [models.Index(fields=["integration", "external_id"], name="external_link_by_id")]

    def __str__(self) -> str:
        return f"{self.record_id} at {self.integration_id}"


class Direction(models.TextChoices):
    """Which way a sync goes."""

    PUSH = "push", "Push: from the hub to the integration"
    PULL = "pull", "Pull: from the integration to the hub"


class DeletePolicy(models.TextChoices):
    """What a push does at the integration when a record is deleted in the hub."""

    KEEP = "keep", "Keep it there"
    ARCHIVE = "archive", "Archive it there, remember its id"
    DELETE = "delete", "Delete it there"


class Winner(models.TextChoices):
    """Which side is right where both changed a record since they last had the same."""

    PROVIDER = "provider", "The integration: what is read replaces it"
    HUB = "hub", "The hub: what is read is skipped until the change is sent"
    NEWEST = "newest", "The later change"
    ASK = "ask", "Nobody: a person decides, from the list of conflicts"


class Sync(Timestamped):
    """What is kept in step: records of one type and one integration, in one direction."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="syncs")
    name = models.CharField(max_length=120)
    slug = models.SlugField(
        "short name", max_length=60, help_text="In URLs, the API and configuration files."
    )
    integration = models.ForeignKey(Integration, models.CASCADE, related_name="syncs")
    type = models.ForeignKey(RecordType, models.CASCADE, related_name="syncs")
    direction = models.CharField(max_length=4, choices=Direction.choices)
    action = models.CharField("action or pull", max_length=80)
    mapping = models.ForeignKey(
        FieldMapping,
        models.RESTRICT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Push: from record to the action's input. Pull: from the row that was read to the record.",
    )
    delete_policy = models.CharField(max_length=7, choices=DeletePolicy.choices, default=DeletePolicy.KEEP)
    delete_action = models.CharField(max_length=80, blank=True, help_text="Done for each deleted record.")
    delete_mapping = models.ForeignKey(FieldMapping, models.RESTRICT, null=True, blank=True, related_name="+")
    id_path = models.CharField(
        max_length=120, default="id", blank=True, help_text="Where a row that was read has its id (JMESPath)."
    )
    deleted_path = models.CharField(
        max_length=120,
        blank=True,
        help_text="What is true of a row that was deleted there (JMESPath): archived. Empty: as the "
        "provider says.",
    )
    modified_path = models.CharField(
        max_length=120,
        blank=True,
        default="",
        db_default="",
        help_text="When a row was changed there (JMESPath): updatedAt. Empty: as the provider says.",
    )
    take_deletions = models.BooleanField(
        default=True, db_default=True, help_text="Pull: what was deleted there is deleted here too."
    )
    on_webhook = models.BooleanField(
        "pull when a webhook tells",
        default=True,
        db_default=True,
        help_text="A verified webhook about such an object starts the pull within seconds.",
    )
    wins = models.CharField(
        max_length=8,
        choices=Winner.choices,
        default=Winner.PROVIDER,
        help_text="Pull: which side is right where both changed the same record.",
    )
    field_wins = models.JSONField(
        "fields with a truth of their own",
        default=dict,
        null=True,
        blank=True,
        help_text="Field → hub (never taken from there), provider (always), newest or ask: "
        '{"email": "hub", "phone": "newest"}.',
    )
    cron = models.CharField(
        "schedule",
        max_length=100,
        blank=True,
        help_text="Cron expression: */15 * * * *. Empty: by hand only.",
    )
    time_zone = models.CharField(max_length=60, default="UTC", help_text="Europe/Berlin")
    enabled = models.BooleanField(default=True)
    next_run_at = models.DateTimeField(null=True, blank=True, editable=False)
    #: ``next_run_at`` was brought forward by a webhook; it is not let go before a run began.
    nudged = models.BooleanField(default=False, db_default=False, editable=False)
    #: An incremental pull asks for what changed since then.
    read_until = models.DateTimeField(null=True, blank=True, editable=False)
    #: The last run that came to an end by itself, and was no dry run, failed.
    failing = models.BooleanField(default=False, db_default=False, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "slug"], name="sync_slug_once")]
        indexes = [
            models.Index(
                fields=["next_run_at"], name="sync_due", condition=models.Q(next_run_at__isnull=False)
            )
        ]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class RunState(models.TextChoices):
    """Where a run stands."""

    PENDING = "pending", "Waiting"
    RUNNING = "running", "Running"
    PAUSED = "paused", "Paused"
    COMPLETED = "completed", "Completed"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


OPEN = (RunState.PENDING, RunState.RUNNING, RunState.PAUSED)
#: What may begin a run (``origin``), in words.
BEGUN_BY = {"admin": "by hand", "api": "by the API", "schedule": "by its schedule", "webhook": "by a webhook"}
FINISHED = (RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED)


class SyncRun(models.Model):
    """One go of a sync, either direction.

    ``cursor`` is how far it is settled: a push's last record id, a pull's next page. ``ahead`` counts
    records past the cursor that are settled already. ``fence`` grows with every claim: who holds an
    older one settles nothing. ``asked`` is what a person wants while a worker holds the run.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    sync = models.ForeignKey(Sync, models.CASCADE, related_name="runs")
    state = models.CharField(max_length=10, choices=RunState.choices, default=RunState.PENDING)
    asked = models.CharField(max_length=10, blank=True)
    origin = models.CharField(max_length=10, default="admin", help_text="admin, api, schedule or webhook")
    dry_run = models.BooleanField(default=False)
    filter = models.CharField(
        max_length=1000, blank=True, help_text="JMESPath over a record; others are skipped."
    )
    retry_of = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="retries")
    since = models.DateTimeField(
        null=True, blank=True, help_text="A pull reads what changed since; empty: all."
    )
    cursor = models.TextField(blank=True)
    ahead = models.PositiveIntegerField(default=0)
    total = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Records to look at, where known."
    )

    created = models.PositiveBigIntegerField(default=0)
    updated = models.PositiveBigIntegerField(default=0)
    deleted = models.PositiveBigIntegerField(default=0)
    unchanged = models.PositiveBigIntegerField(default=0)
    rejected = models.PositiveBigIntegerField(default=0)
    skipped = models.PositiveBigIntegerField(default=0)

    message = models.CharField(max_length=1000, blank=True)
    tries = models.PositiveIntegerField(default=0, help_text="Failures since the last progress.")
    due_at = models.DateTimeField(default=timezone.now)
    lease_owner = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    fence = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["sync"],
                name="one_open_run",
                condition=models.Q(state__in=["pending", "running", "paused"]),
            )
        ]
        indexes = [
            models.Index(fields=["due_at"], name="run_due", condition=models.Q(state="pending")),
            models.Index(fields=["lease_until"], name="run_leased", condition=models.Q(state="running")),
            models.Index(fields=["organization", "-id"], name="run_of_organization"),
        ]

    def __str__(self) -> str:
        return f"Run of {self.sync}"

    @property
    def begun_by(self) -> str:
        """What began it, in words."""
        return BEGUN_BY.get(self.origin, self.origin)

    @property
    def done(self) -> int:
        """Records looked at so far."""
        parts = (self.created, self.updated, self.deleted, self.unchanged, self.rejected, self.skipped)
        return sum(parts)

    @property
    def percent(self) -> int | None:
        """How far it is, 0 to 100; None where nobody knows how much there is."""
        if self.state == RunState.COMPLETED:
            return 100
        return None if self.total is None else min(99, self.done * 100 // max(1, self.total))

    @property
    def rate(self) -> float:
        """Records per second since it started."""
        if self.started_at is None:
            return 0.0
        spent = ((self.finished_at or timezone.now()) - self.started_at).total_seconds()
        return self.done / max(spent, 0.001)

    @property
    def time_left(self) -> str:
        """How long it still takes at this rate, in words; empty where that is not known."""
        if self.total is None or self.state not in OPEN or not self.rate:
            return ""
        return lasting(max(0, self.total - self.done) / self.rate)


class RejectedRow(models.Model):
    """A row of a run that was not taken, and why."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(SyncRun, models.CASCADE, related_name="rejected_rows")
    key = models.CharField(max_length=200, blank=True)
    reason = models.CharField(max_length=1000)
    row = models.JSONField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["run", "key"], name="rejected_by_key")]

    def __str__(self) -> str:
        return f"{self.key}: {self.reason}"


class RunChange(models.Model):
    """What a dry run would do to one row: the first so many are kept, with the values before and after."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(SyncRun, models.CASCADE, related_name="changes")
    key = models.CharField(max_length=200, blank=True)
    kind = models.CharField(max_length=10, help_text="created, updated, deleted or conflict")
    before = models.JSONField(null=True, blank=True)
    after = models.JSONField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.key}: {self.kind}"


class Conflict(models.Model):
    """A record that both sides changed, and about which a person decides.

    ``fields`` are the fields in question: name → {"hub": value, "provider": value}. While it is open
    the hub keeps its own and does not send the record there.
    """

    id = models.BigAutoField(primary_key=True)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    sync = models.ForeignKey(Sync, models.CASCADE, related_name="conflicts")
    integration = models.ForeignKey(Integration, models.CASCADE, related_name="+")
    record = models.ForeignKey(Record, models.CASCADE, related_name="conflicts")
    fields = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)
    #: Empty: open. Else a Winner, "fields" (some each) or "agreed" (both had the same again).
    chosen = models.CharField(max_length=10, blank=True)
    decided_by = models.CharField(max_length=150, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["record", "integration"], name="one_open_conflict", condition=models.Q(chosen="")
            )
        ]
        indexes = [
            models.Index(fields=["organization", "-id"], name="conflict_open", condition=models.Q(chosen=""))
        ]

    def __str__(self) -> str:
        return f"{self.record} at {self.integration}"
