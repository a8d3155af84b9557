"""Integrations (an organization's configured providers) and their credentials."""

import uuid
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from hub.accounts.models import Organization
from hub.lib.fields import EncryptedJSONField
from hub.lib.ids import uuid7
from hub.lib.models import Timestamped
from integrations.base.provider import Provider
from integrations.base.registry import get_provider


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


class Integration(Timestamped):
    """One organization's configured provider: settings, limits, state; never a secret."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="integrations")
    provider_slug = models.CharField("provider", max_length=60)
    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=60, help_text="Short name in URLs, the API and configuration files.")
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
    blocked_until = models.DateTimeField(null=True, blank=True, help_text="Retry-After of the provider.")

    rate_count = models.PositiveIntegerField(null=True, blank=True, help_text="Requests per period.")
    rate_seconds = models.PositiveIntegerField(null=True, blank=True, help_text="Length of the period.")
    max_in_flight = models.PositiveIntegerField(null=True, blank=True)
    batch_size = models.PositiveIntegerField(default=50)
    quick_tries = models.PositiveIntegerField(default=3)
    quick_delay = models.FloatField(default=2.0, help_text="Seconds before the second try; doubles.")
    schedule = models.JSONField(default=default_schedule, blank=True)
    timeout = models.FloatField(null=True, blank=True, help_text="Seconds.")
    breaker_threshold = models.PositiveIntegerField(default=10, help_text="Failures in a row.")
    breaker_cooldown = models.PositiveIntegerField(default=30, help_text="Seconds; doubles up to 15 min.")

    tested_at = models.DateTimeField(null=True, blank=True)
    test_ok = models.BooleanField(null=True)
    test_message = models.CharField(max_length=500, blank=True)
    test_latency_ms = models.PositiveIntegerField(null=True, blank=True)
    account_label = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "slug"], name="integration_slug_once")]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

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
    def in_flight_limit(self) -> int:
        """How many deliveries may be under way at once."""
        return self.max_in_flight or self.provider.max_in_flight

    def pause(self, reason: str) -> None:
        """Hold the queue; nothing is dropped."""
        self._set_status(Status.PAUSED, reason)

    def resume(self) -> None:
        """Let the queue move again, with a closed circuit."""
        self.circuit, self.circuit_until, self.circuit_opened = Circuit.CLOSED, None, 0
        self.failure_streak, self.blocked_until = 0, None
        self._set_status(
            Status.ACTIVE, "", "circuit", "circuit_until", "circuit_opened", "failure_streak", "blocked_until"
        )

    def hold_for_reconnect(self, reason: str) -> None:
        """The credential is dead: hold the queue until somebody reconnects."""
        self._set_status(Status.RECONNECT, reason)

    def record_test(self, ok: bool, message: str, latency_ms: int, account: str = "") -> None:
        """Keep the outcome of a connection test; a good one ends 'needs reconnecting'."""
        self.tested_at, self.test_ok = timezone.now(), ok
        self.test_message, self.test_latency_ms = message[:500], latency_ms
        self.account_label = account[:200] or self.account_label
        # Only these columns: a worker may be changing the others of this row.
        self.save(
            update_fields=[
                *("tested_at", "test_ok", "test_message", "test_latency_ms", "account_label", "updated_at")
            ]
        )
        if ok and self.status == Status.RECONNECT:
            self.resume()

    def _set_status(self, status: Status, reason: str, *columns: str) -> None:
        self.status, self.status_reason = status, reason[:500]
        self.save(update_fields=["status", "status_reason", "updated_at", *columns])


class Credential(Timestamped):
    """The secrets of one integration, encrypted, in a table of their own.

    ``secrets`` holds the declared secret fields, ``tokens`` what OAuth gave: ``access_token``,
    ``refresh_token``, ``expires_at`` (Unix seconds), ``scope``.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    integration = models.OneToOneField(Integration, models.CASCADE, related_name="credential")
    secrets = EncryptedJSONField(null=True)
    tokens = EncryptedJSONField(null=True)
    #: Changes with every write, so that a cached copy knows when it is stale.
    version = models.PositiveIntegerField(default=0)
    lease_owner = models.CharField(max_length=40, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="When a person must renew it.")

    def __str__(self) -> str:
        return f"Credential of {self.integration_id}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.version += 1
        if (fields := kwargs.get("update_fields")) is not None:
            kwargs["update_fields"] = {*fields, "version", "updated_at"}
        super().save(*args, **kwargs)

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
    verifier = EncryptedJSONField()
    redirect_uri = models.CharField(max_length=500)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"Sign-in for {self.integration_id}"


class KeyCanary(models.Model):
    """One row, encrypted: where it opens, the key is the right one."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    song = EncryptedJSONField()

    def __str__(self) -> str:
        return "Key canary"
