"""Organizations, who belongs to them, and the keys their applications use."""

import hashlib
import secrets
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from hub.lib.models import Timestamped


class Role(models.TextChoices):
    """What a member may do; each role may do all that the one before may."""

    VIEWER = "viewer", "Viewer: sees everything, changes nothing"
    OPERATOR = "operator", "Operator: retries, cancels, pauses, tests"
    ADMIN = "admin", "Admin: connects, maps, routes, manages members and keys"

    def covers(self, needed: "Role") -> bool:
        """Whether this role may do what ``needed`` may."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


def _days(what: str) -> Any:
    """A retention of the organization's own, in days."""
    return models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
        help_text=f"Days; {what}",
    )


def _quota(what: str) -> Any:
    """Return a limit of the organization's own."""
    return models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text=what
    )


class Organization(Timestamped):
    """A tenant: everything belongs to one."""

    name = models.CharField(max_length=120)
    slug = models.SlugField("short name", unique=True, help_text="In URLs, the API and configuration files.")
    requires_two_factors = models.BooleanField(
        "Members must have two factors",
        default=False,
        db_default=False,
        help_text="Who has none is led to setting one up before seeing anything of this organization.",
    )

    keep_events = _days("empty: as long as the hub says. Finished deliveries go with them.")
    keep_contents = _days(
        "empty: as long as what holds them. What events, attempts and received webhooks say goes; "
        "that they were there stays."
    )
    keep_logs = _days("empty: as long as the hub says.")
    keep_webhooks = _days("empty: as long as the hub says.")

    events_per_day = _quota("Accepted from midnight to midnight (UTC); more are refused. Empty: any.")
    events_per_month = _quota("Accepted in a month (UTC); more are refused until the next. Empty: any.")
    deliveries_per_second = _quota(
        "Over all of its integrations; the rest waits in the queue. Empty: as their own limits allow."
    )

    def __str__(self) -> str:
        return self.name


class Usage(models.Model):
    """Events that an organization with a quota had accepted in a day or a month (``hub.accounts.quotas``)."""

    class Period(models.TextChoices):
        """What a quota counts within."""

        DAY = "day", "Day"
        MONTH = "month", "Month"

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    period = models.CharField(max_length=5, choices=Period.choices)
    begins = models.DateField(help_text="First day, UTC.")
    events = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "period", "begins"], name="usage_once")
        ]

    def __str__(self) -> str:
        return f"{self.events} events in the {self.period} from {self.begins}"


class Membership(Timestamped):
    """A person's role in an organization."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.VIEWER)

    class Meta:
        verbose_name = "member"
        constraints = [models.UniqueConstraint(fields=["user", "organization"], name="one_membership_each")]

    def __str__(self) -> str:
        return f"{self.user}: {self.role} of {self.organization}"


class Scope(models.TextChoices):
    """What an API key may be used for."""

    EVENTS_WRITE = "events:write", "Send events"
    EVENTS_READ = "events:read", "Read events and their story"
    INTEGRATIONS_READ = "integrations:read", "Read integrations, health and logs"
    INTEGRATIONS_WRITE = "integrations:write", "Connect, change and remove integrations"
    INTEGRATIONS_TEST = "integrations:test", "Run connection tests"
    DATA_READ = "data:read", "Read what integrations hold"
    CONFIG_READ = "config:read", "Read mappings, routes and endpoints"
    CONFIG_WRITE = "config:write", "Change mappings, routes and endpoints"
    QUEUE_READ = "queue:read", "Read the queue"
    QUEUE_OPERATE = "queue:operate", "Retry and cancel deliveries, replay events"
    ALERTS_WRITE = "alerts:write", "Raise alerts"
    METRICS_READ = "metrics:read", "Read metrics and reports"
    RECORDS_WRITE = "records:write", "Create, change and delete records"
    RECORDS_READ = "records:read", "Read records"
    SYNC_RUN = "sync:run", "Start syncs and follow their runs"
    SUBSCRIPTIONS_MANAGE = "subscriptions:manage", "Subscribe addresses to events"


class APIKey(Timestamped):
    """A key of one organization's application; only its hash is kept.

    The key is ``ick_<12 characters>_<43 characters>``; the first part finds the row, the second
    has 256 random bits, so that one SHA-256 is as good as a slow hash.
    """

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=120)
    prefix = models.CharField(max_length=12, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    scopes = models.JSONField(default=list)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    #: Networks in CIDR notation; None or empty: from anywhere.
    allowed_networks = models.JSONField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False
    )

    class Meta:
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} (ick_{self.prefix}_…)"

    @classmethod
    def issue(
        cls, organization: Organization, name: str, scopes: Iterable[str], **extra: Any
    ) -> tuple["APIKey", str]:
        """Make a key; return its row and the key itself, which nobody can read again."""
        prefix = secrets.token_hex(6)
        secret = secrets.token_urlsafe(32)
        key = cls.objects.create(
            organization=organization,
            name=name,
            prefix=prefix,
            digest=hashlib.sha256(secret.encode()).hexdigest(),
            scopes=sorted(scopes),
            **extra,
        )
        return key, f"ick_{prefix}_{secret}"

    @classmethod
    def find(cls, text: str) -> "APIKey | None":
        """Return the valid key that ``text`` is, or None."""
        kind, _, rest = text.partition("_")
        prefix, _, secret = rest.partition("_")
        if kind != "ick" or not secret:
            return None
        key = cls.objects.select_related("organization").filter(prefix=prefix).first()
        digest = hashlib.sha256(secret.encode()).hexdigest()
        if key is None or not secrets.compare_digest(key.digest, digest) or not key.is_valid():
            return None
        return key

    def is_valid(self) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > timezone.now())

    def allows(self, scope: str) -> bool:
        """Whether the key has ``scope``."""
        return scope in self.scopes

    def revoke(self) -> None:
        """Make the key useless from now on."""
        self.revoked_at = timezone.now()
        self.save(update_fields=["revoked_at", "updated_at"])
