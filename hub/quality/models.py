"""Rules of record types, what came of checking them, and the shapes of what providers send."""

from django.conf import settings
from django.db import models

from hub.accounts.models import Organization
from hub.connections.models import Integration
from hub.lib.models import Timestamped
from hub.sync.models import Record, RecordType


class RuleKind(models.TextChoices):
    """What a rule asks of a field."""

    REQUIRED = "required", "must be filled in"
    UNIQUE = "unique", "must be different in every record"
    PATTERN = "pattern", "must look like (regular expression)"
    RANGE = "range", "must be between"
    FRESH = "fresh", "must not be older than (days)"


class QualityRule(Timestamped):
    """One thing that every record of a type shall keep."""

    type = models.ForeignKey(RecordType, models.CASCADE, related_name="quality_rules")
    field = models.CharField(
        max_length=120, blank=True, help_text="email, address.city; for age empty: when the record changed."
    )
    kind = models.CharField("rule", max_length=10, choices=RuleKind.choices)
    pattern = models.CharField(max_length=200, blank=True, help_text=r"The whole value: \d{5}")
    minimum = models.FloatField("from", null=True, blank=True)
    maximum = models.FloatField("to", null=True, blank=True)
    days = models.PositiveIntegerField(null=True, blank=True)
    enabled = models.BooleanField(default=True)

    class Meta:
        verbose_name = "quality rule"
        ordering = ["field", "kind", "pk"]

    def __str__(self) -> str:
        return f"{self.field or 'The record'} {self.get_kind_display()}"


class QualityCheck(models.Model):
    """The latest whole check of a type, and the one that is under way.

    ``generation`` grows with every check that begins, and fences its steps; ``tally`` is what the
    present one counted so far.
    """

    type = models.OneToOneField(RecordType, models.CASCADE, related_name="quality_check")
    wanted = models.BooleanField(default=True)
    running = models.BooleanField(default=False)
    generation = models.PositiveIntegerField(default=0)
    cursor = models.PositiveBigIntegerField(default=0)
    tally = models.JSONField(default=dict)
    lease_until = models.DateTimeField(null=True, blank=True)

    checked_at = models.DateTimeField(null=True, blank=True)
    checked = models.PositiveBigIntegerField(default=0)
    good = models.PositiveBigIntegerField(default=0)
    failing = models.JSONField(default=dict, help_text="Records that break it, by the rule's id.")
    held = models.JSONField(default=dict, help_text="[records, good ones] by the integration's id.")

    def __str__(self) -> str:
        return f"Quality of {self.type_id}"

    @property
    def score(self) -> float | None:
        """The share of records that keep every rule, 0 to 100; None where nothing was checked."""
        return 100 * self.good / self.checked if self.checked else None


class QualityPoint(models.Model):
    """A day's latest score: of a type, or of what one integration has of it."""

    id = models.BigAutoField(primary_key=True)
    type = models.ForeignKey(RecordType, models.CASCADE, related_name="quality_points")
    integration = models.ForeignKey(Integration, models.CASCADE, null=True, related_name="+")
    day = models.DateField()
    checked = models.PositiveBigIntegerField()
    good = models.PositiveBigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["type", "integration", "day"], name="quality_of_day")]

    def __str__(self) -> str:
        return f"{self.day}: {self.good} of {self.checked}"


class Offender(models.Model):
    """A record that breaks a rule, as of one check; of each rule the first ones are kept."""

    id = models.BigAutoField(primary_key=True)
    rule = models.ForeignKey(QualityRule, models.CASCADE, related_name="offenders")
    record = models.ForeignKey(Record, models.CASCADE, related_name="+")
    generation = models.PositiveIntegerField()
    reason = models.CharField(max_length=300)

    class Meta:
        indexes = [models.Index(fields=["rule", "generation", "id"], name="offenders_of_rule")]

    def __str__(self) -> str:
        return self.reason


class ReadShape(models.Model):
    """The fields of what an integration's pull reads (``drift.settled``), after ``rows`` rows in all.

    ``reading``: what ``run``, which is under way, has read; its last page is the time to compare.
    """

    integration = models.ForeignKey(Integration, models.CASCADE, related_name="+")
    source = models.CharField(max_length=80, help_text="The pull's name.")
    fields = models.JSONField(default=dict)
    rows = models.PositiveBigIntegerField(default=0)
    run = models.UUIDField(null=True, blank=True)
    reading = models.JSONField(default=dict)
    reading_rows = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["integration", "source"], name="read_shape_once")]

    def __str__(self) -> str:
        return self.source


class Drift(models.Model):
    """What a provider changed about its rows; open until somebody has seen it.

    ``changes``: a list of {field, what: new | missing | retyped, before, after}.
    """

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    integration = models.ForeignKey(Integration, models.CASCADE, related_name="drifts")
    source = models.CharField(max_length=80)
    changes = models.JSONField(default=list)
    found_at = models.DateTimeField()
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        verbose_name = "changed field list"
        ordering = ["-pk"]
        indexes = [
            models.Index(
                fields=["organization"], name="drift_open", condition=models.Q(acknowledged_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return f"{self.integration}: {self.source}"
