"""What the hub keeps about its own work: figures by minute and hour, totals, and daily reports."""

from datetime import datetime
from typing import Any

from django.db import models

from hub.accounts.models import Organization
from hub.connections.models import Integration
from hub.metrics import histogram

#: Outcomes of delivery attempts, as the integration log names them, that have a column each; ``lost``
#: counts expired leases, ``other`` whatever else a provider's code may say.
OUTCOMES = ("ok", "transient", "rate_limited", "auth", "permanent", "rejected", "lost", "other")
WEBHOOKS = ("webhooks_accepted", "webhooks_repeated", "webhooks_refused")
#: Every column that is summed.
COUNTERS = (*OUTCOMES, "failed_items", "duration_ms", *histogram.COLUMNS, *WEBHOOKS)


def _counter() -> Any:
    return models.BigIntegerField(default=0, db_default=0)


class Counts(models.Model):
    """Counts of an organization. A completed item is an attempt that ended ``ok``.

    ``failed_items`` counts items whose last attempt was one of those counted here. ``duration_ms`` is
    the sum over all attempts, ``within_…`` how many took that many milliseconds at most and more than
    the bucket before. Of refused webhooks only those that were kept can be counted: a flood is
    cut off before it is written down.
    """

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")

    ok = _counter()
    transient = _counter()
    rate_limited = _counter()
    auth = _counter()
    permanent = _counter()
    rejected = _counter()
    lost = _counter()
    other = _counter()
    failed_items = _counter()
    duration_ms = _counter()
    within_5 = _counter()
    within_10 = _counter()
    within_20 = _counter()
    within_50 = _counter()
    within_100 = _counter()
    within_200 = _counter()
    within_500 = _counter()
    within_1000 = _counter()
    within_2000 = _counter()
    within_5000 = _counter()
    within_10000 = _counter()
    within_20000 = _counter()
    within_60000 = _counter()
    beyond = _counter()
    webhooks_accepted = _counter()
    webhooks_repeated = _counter()
    webhooks_refused = _counter()

    class Meta:
        abstract = True


class Figures(Counts):
    """Counts about one integration."""

    integration = models.ForeignKey(Integration, models.CASCADE, related_name="+")

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"Figures of {self.integration_id}"


class MinuteFigures(Figures):
    """One minute of one integration; ``at`` is its start. Kept two days."""

    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["integration", "at"], name="minute_once")]
        indexes = [
            models.Index(fields=["organization", "at"], name="minute_of_organization"),
            models.Index(fields=["at"], name="minute_age"),
        ]


class HourFigures(Figures):
    """One hour (of UTC) of one integration; ``at`` is its start. Kept 400 days."""

    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["integration", "at"], name="hour_once")]
        indexes = [
            models.Index(fields=["organization", "at"], name="hour_of_organization"),
            models.Index(fields=["at"], name="hour_age"),
        ]


class OrganizationHours(Counts):
    """One hour (of UTC) of all integrations of an organization together (``hub.metrics.hours``).

    All hours up to the newest one here are summed; a month of hundreds of integrations is read as a
    month of one. Kept 400 days; an integration that is deleted leaves its part.
    """

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+", db_index=False)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "at"], name="organization_hour_once")]
        indexes = [models.Index(fields=["at"], name="organization_hour_age")]

    def __str__(self) -> str:
        return f"Figures of {self.organization_id}"

    @classmethod
    def closed_until(cls) -> datetime | None:
        """Return the newest hour that is summed, None before the first."""
        newest: datetime | None = cls.objects.aggregate(newest=models.Max("at"))["newest"]
        return newest


class TotalFigures(Figures):
    """Everything ever counted of one integration: it only grows, as Prometheus wants its counters.

    ``rate_held_ms``: how long workers had something due and no permit, of all workers together.
    """

    rate_held_ms = _counter()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["integration"], name="total_once")]


class RollupCursor(models.Model):
    """How far a table has been counted: every row up to ``last_id`` is in the figures, none after it."""

    name = models.CharField(max_length=20, primary_key=True)
    last_id = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name} up to {self.last_id}"


class Acknowledgement(models.Model):
    """Somebody knows of an integration's open problem: it is quiet until it happens anew.

    ``cause`` is the problem's sentence as it was then, ``at`` the moment up to which its failures are known.
    """

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    integration = models.OneToOneField(Integration, models.CASCADE, related_name="acknowledgement")
    cause = models.CharField(max_length=1000, blank=True)
    by = models.CharField(max_length=150)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.integration_id} acknowledged by {self.by}"


class HealthReport(models.Model):
    """What went well on one day, what failed, and what to do, for one organization.

    ``figures`` is what ``hub.metrics.report.Findings.as_json`` makes, ``text`` the same in plain
    sentences, as it was mailed. ``mailed_at`` is set by whoever takes the mailing on.
    """

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="health_reports")
    day = models.DateField(help_text="The day it is about, in the hub's time zone.")
    summary = models.CharField(max_length=300)
    needs_attention = models.PositiveIntegerField(default=0, help_text="Integrations that need somebody.")
    figures = models.JSONField(default=dict)
    text = models.TextField()
    mailed_at = models.DateTimeField(null=True, blank=True)
    mail_note = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "day"], name="report_once_a_day")]
        ordering = ["-day"]

    def __str__(self) -> str:
        return f"Health of {self.organization} on {self.day:%-d %B %Y}"
