"""Integrations (an organization's configured providers) and their credentials."""

import uuid
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone

from hub.accounts.models import Organization
from hub.connections.signals import released
from hub.lib.fields import EncryptedJSONField
from hub.lib.ids import uuid7
from hub.lib.models import Timestamped
from integrations.base.provider import Provider
from integrations.base.registry import get_provider, managed_slugs


class Status(models.TextChoices):
    """Whether an integration's queue moves."""

    ACTIVE = "active", "Active"
    PAUSED = "paused", "Paused"
    RECONNECT = "reconnect", "Needs reconnecting"


class Circuit(models.TextChoices):
    """State of the circuit breaker."""

    CLOSED = "closed", "Closed: deliveries flow"
    OPEN = "open", "Open: waiting for the provider to recover"
    HALF_OPEN = "half_open", "Half open: one delivery tries"


def default_schedule() -> list[int]:
    """Seconds to wait after the quick tries are used up, try by try (about three days)."""
    return [300, 900, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 24 * 3600, 24 * 3600]


class Integrations(models.QuerySet["Integration"]):
    """Rows of integrations."""

    def listed(self) -> "Integrations":
        """Those that people connect; not those that a part of the hub makes and shows by itself."""
        return self.exclude(provider_slug__in=managed_slugs())


class Integration(Timestamped):
    """One organization's configured provider: settings, limits, state; never a secret."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="integrations")
    provider_slug = models.CharField("provider", max_length=60)
    name = models.CharField(max_length=120)
    slug = models.SlugField(
        "short name", max_length=60, help_text="In URLs, the API and configuration files."
    )
    auth_key = models.CharField("authentication", max_length=30, blank=True)
    settings = models.JSONField(default=dict, blank=True)
    sandbox = models.BooleanField(
        default=False, help_text="Send everything to the built-in sandbox instead of the provider."
    )
    allowed_hosts = models.JSONField(
        default=list,
        blank=True,
        help_text="Hosts on private networks that this integration may reach, as host or host:port.",
    )

    status = models.CharField(max_length=10, choices=Status.choices, default=Status.ACTIVE)
    status_reason = models.CharField(max_length=500, blank=True)
    circuit = models.CharField(max_length=10, choices=Circuit.choices, default=Circuit.CLOSED)
    circuit_until = models.DateTimeField(null=True, blank=True)
    circuit_opened = models.PositiveIntegerField(default=0, help_text="Times opened without recovery.")
    failure_streak = models.PositiveIntegerField(default=0)
    breaker_window = models.JSONField(
        null=True, blank=True, editable=False, help_text="Requests and failures of the last minute."
    )
    blocked_until = models.DateTimeField(null=True, blank=True, help_text="Retry-After of the provider.")

    rate_count = models.PositiveIntegerField(null=True, blank=True, help_text="Requests per period.")
    rate_seconds = models.PositiveIntegerField(null=True, blank=True, help_text="Length of the period.")
    max_in_flight = models.PositiveIntegerField(null=True, blank=True)
    batch_size = models.PositiveIntegerField(default=50)
    quick_tries = models.PositiveIntegerField(default=3)
    quick_delay = models.FloatField(default=2.0, help_text="Seconds before the second try; doubles.")
    schedule = models.JSONField(default=default_schedule, blank=True)
    timeout = models.FloatField(null=True, blank=True, help_text="Seconds.")
    breaker_threshold = models.PositiveIntegerField(
        "requests before the circuit may open",
        default=10,
        help_text="It opens when half of at least so many requests within a minute failed.",
    )
    breaker_cooldown = models.PositiveIntegerField(default=30, help_text="Seconds; doubles up to 15 min.")

    tested_at = models.DateTimeField(null=True, blank=True)
    test_ok = models.BooleanField(null=True)
    test_message = models.CharField(max_length=500, blank=True)
    test_kind = models.CharField(
        max_length=20, blank=True, db_default="", help_text="Of what kind the last failure was."
    )
    test_latency_ms = models.PositiveIntegerField(null=True, blank=True)
    account_label = models.CharField(max_length=200, blank=True)
    account_id = models.CharField(
        max_length=200, blank=True, db_default="", help_text="What tells the account from another one."
    )

    objects = Integrations.as_manager()
    #: Deliveries a second of its organization, where a worker's look at the queue told of them.
    quota: int | None = None

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "slug"], name="integration_slug_once")]
        ordering = ["name"]

    def __str__(self) -> str:
        """The name, marked wherever it is shown if nothing it sends reaches the provider."""
        return f"{self.name} (sandbox)" if self.sandbox else self.name

    @property
    def provider(self) -> Provider:
        """The provider's declaration; raise KeyError where its code is gone."""
        return get_provider(self.provider_slug)

    @property
    def rate(self) -> tuple[int, int]:
        """(requests, seconds) in force: the admin's, else the provider's declared limit."""
        declared = self.provider.rate_limit
        return self.rate_count or declared.count, self.rate_seconds or declared.seconds

    @property
    def failures_lately(self) -> int:
        """How many requests failed within the minute that was looked at last."""
        return sum(int(part[2]) for part in self.breaker_window or ())

    @property
    def in_flight_limit(self) -> int:
        """How many deliveries may be under way at once."""
        return self.max_in_flight or self.provider.max_in_flight

    def pause(self, reason: str) -> None:
        """Hold the queue; nothing is dropped."""
        self._set_status(Status.PAUSED, reason)

    def resume(self) -> None:
        """Let the queue move again, with a closed circuit."""
        was_held = self.status == Status.RECONNECT or self.circuit != Circuit.CLOSED
        self.circuit, self.circuit_until, self.circuit_opened = Circuit.CLOSED, None, 0
        self.failure_streak, self.blocked_until, self.breaker_window = 0, None, None
        self._set_status(
            Status.ACTIVE,
            "",
            *("circuit", "circuit_until", "circuit_opened", "failure_streak", "blocked_until"),
            "breaker_window",
        )
        if was_held:
            transaction.on_commit(lambda: released.send(Integration, integration=self))

    def hold_for_reconnect(self, reason: str) -> None:
        """The credential is dead: hold the queue until somebody reconnects."""
        self._set_status(Status.RECONNECT, reason)

    def record_test(
        self,
        ok: bool,
        message: str,
        latency_ms: int,
        account: str = "",
        account_id: str = "",
        kind: str = "",
    ) -> None:
        """Keep the outcome of a connection test; a good one ends 'needs reconnecting'.

        ``kind``: short name of the failure, by which the page chooses the button beside it.
        """
        self.test_kind = kind[:20]
        self.account_id = account_id[:200] or self.account_id
        self.tested_at, self.test_ok = timezone.now(), ok
        self.test_message, self.test_latency_ms = message[:500], latency_ms
        self.account_label = account[:200] or self.account_label
        # Only these columns: a worker may be changing the others of this row.
        self.save(
            update_fields=[
                *("tested_at", "test_ok", "test_message", "test_latency_ms", "account_label", "account_id"),
                "test_kind",
                "updated_at",
            ]
        )
        if ok and self.status == Status.RECONNECT:
            self.resume()

    def forget_account(self) -> None:
        """Know no more which account is connected; the next good test tells it anew."""
        self.account_label = self.account_id = ""
        self.save(update_fields=["account_label", "account_id", "updated_at"])

    def _set_status(self, status: Status, reason: str, *columns: str) -> None:
        self.status, self.status_reason = status, reason[:500]
        self.save(update_fields=["status", "status_reason", "updated_at", *columns])


#: Columns that ``Credential.note_expiry`` sets.
EXPIRY_COLUMNS = ("expires_at", "expires_by", "warned_days")


class Credential(Timestamped):
    """The secrets of one integration, encrypted, in a table of their own.

    ``secrets`` holds the declared secret fields, ``tokens`` what OAuth gave: ``access_token``,
    ``refresh_token``, ``expires_at`` (Unix seconds), ``scope``.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    integration = models.OneToOneField(Integration, models.CASCADE, related_name="credential")
    secrets = EncryptedJSONField("credentials of integrations", null=True)
    tokens = EncryptedJSONField("access tokens of integrations", null=True)
    #: Changes with every write, so that a cached copy knows when it is stale.
    version = models.PositiveIntegerField(default=0)
    lease_owner = models.CharField(max_length=40, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="When a person must renew it.")
    #: What is known of that: what an admin entered, and when the secrets end by the provider's rule.
    entered_expiry = models.DateTimeField(null=True, blank=True)
    declared_expiry = models.DateTimeField(null=True, blank=True)
    expires_by = models.CharField(max_length=10, blank=True, db_default="", help_text="Who says so.")
    #: Days before the end that were warned of already; empty: none yet.
    warned_days = models.PositiveSmallIntegerField(null=True, blank=True)

    def __str__(self) -> str:
        return f"Credential of {self.integration_id}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.version += 1
        if (fields := kwargs.get("update_fields")) is not None:
            kwargs["update_fields"] = {*fields, "version", "updated_at"}
        super().save(*args, **kwargs)

    def note_expiry(self, by_token: datetime | None) -> None:
        """Work out when a person must renew it; the caller saves ``EXPIRY_COLUMNS``.

        The end of a sign-in is exact; what an admin entered counts for more than the provider's rule.
        """
        known = [(by_token, "sign-in"), (self.entered_expiry, "admin")]
        if self.entered_expiry is None:
            known.append((self.declared_expiry, "provider"))
        ends = [(at, by) for at, by in known if at is not None]
        at, by = min(ends, default=(None, ""))
        if at is None or self.expires_at is None or at > self.expires_at:
            self.warned_days = None
        self.expires_at, self.expires_by = at, by

    def token_valid(self, now: datetime, margin: float = 60) -> bool:
        """Whether the access token is good for ``margin`` more seconds."""
        tokens = self.tokens or {}
        expiry = tokens.get("expires_at")
        return bool(tokens.get("access_token")) and (expiry is None or expiry - margin > now.timestamp())


class SignIn(models.Model):
    """A sign-in at a provider that has begun (OAuth 2.0): good once, for ten minutes, for one user.

    ``digest`` is the SHA-256 of the state that the browser carries.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    digest = models.CharField(max_length=64, unique=True)
    integration = models.ForeignKey(Integration, models.CASCADE, related_name="sign_ins")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    verifier = EncryptedJSONField("sign-ins under way at providers")
    redirect_uri = models.CharField(max_length=500)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"Sign-in for {self.integration_id}"


class PendingSwitch(models.Model):
    """A credential of another account, put in but not in use: it waits for an answer, 15 minutes long.

    ``change``: what was put in, either ``{"form": {name: value}}`` or ``{"tokens": {…}}``.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    integration = models.ForeignKey(Integration, models.CASCADE, related_name="pending_switches")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    change = EncryptedJSONField("changes of account that wait for an answer")
    account_label = models.CharField(max_length=200, blank=True)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"Switch of {self.integration_id}"


class KeyCanary(models.Model):
    """One row, encrypted: where it opens, the key is the right one."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    song = EncryptedJSONField("sample that proves the key")

    def __str__(self) -> str:
        return "Key canary"
