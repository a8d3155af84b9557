"""Webhook endpoints (secret URLs), the calls they received, and subscriptions (outgoing webhooks)."""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.utils import timezone

from hub.accounts.models import Organization
from hub.connections.models import Integration
from hub.events.models import Route
from hub.events.routing import patterns_of
from hub.lib.fields import EncryptedJSONField
from hub.lib.ids import uuid7
from hub.lib.models import Timestamped


class WebhookEndpoint(Timestamped):
    """A secret URL for one integration.

    ``token`` is looked up by its hash. ``keys`` is ``{"token": str, "current": {field: secret},
    "previous": {…}}``; the previous secrets hold until ``previous_until``.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="webhook_endpoints")
    integration = models.ForeignKey(Integration, models.CASCADE, related_name="webhook_endpoints")
    name = models.CharField(max_length=120)
    slug = models.SlugField(
        "short name", max_length=60, help_text="In URLs, the API and configuration files."
    )
    enabled = models.BooleanField(default=True)
    token_digest = models.CharField(max_length=64, unique=True, editable=False)
    keys = EncryptedJSONField("addresses and secrets of webhook endpoints", null=True)
    previous_until = models.DateTimeField(null=True, blank=True)
    rate_per_minute = models.PositiveIntegerField(default=100, help_text="Calls per minute and source.")
    last_call_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "slug"], name="endpoint_slug_once")]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @staticmethod
    def digest(token: str) -> str:
        """Return what a token is found by."""
        return hashlib.sha256(token.encode()).hexdigest()

    def set_token(self, token: str = "") -> str:
        """Give the endpoint a new (or this) token; the caller saves. Return it."""
        token = token or secrets.token_urlsafe(24)
        self.token_digest = self.digest(token)
        self.keys = {**(self.keys or {}), "token": token}
        return token

    @property
    def path(self) -> str:
        """The path to call, beginning with a slash."""
        return f"/webhooks/{(self.keys or {}).get('token', '')}/"

    @property
    def knows_address(self) -> bool:
        """Whether the address can be told; where the key that encrypted it is lost, it only holds."""
        return bool((self.keys or {}).get("token"))

    def rotate(self, current: dict[str, str], overlap: timedelta = timedelta(hours=24)) -> None:
        """Take new secrets; the old ones hold for ``overlap`` more."""
        keys = dict(self.keys or {})
        keys["previous"], keys["current"] = keys.get("current", {}), current
        self.keys, self.previous_until = keys, timezone.now() + overlap
        self.save()

    def end_overlap(self) -> None:
        """Accept the new secrets only, from now on."""
        self.keys = {name: value for name, value in (self.keys or {}).items() if name != "previous"}
        self.previous_until = None
        self.save(update_fields=["keys", "previous_until", "updated_at"])

    def secret_sets(self) -> list[dict[str, str]]:
        """Return the secrets a call may be signed with, the current ones first."""
        keys: dict[str, Any] = self.keys or {}
        sets = [keys.get("current") or {}]
        if keys.get("previous") and self.previous_until and self.previous_until > timezone.now():
            sets.append(keys["previous"])
        return sets


class ReceivedWebhook(models.Model):
    """One verified (or refused) call: raw bytes kept."""

    class State(models.TextChoices):
        """Where the call stands."""

        RECEIVED = "received", "Received"
        PROCESSED = "processed", "Processed"
        FAILED = "failed", "Failed"
        REFUSED = "refused", "Refused"
        DUPLICATE = "duplicate", "Duplicate"

    id = models.BigAutoField(primary_key=True)
    #: The endpoint's. The database checks that one alone, and the indexes below serve both.
    organization = models.ForeignKey(Organization, models.CASCADE, db_index=False, db_constraint=False)
    endpoint = models.ForeignKey(WebhookEndpoint, models.CASCADE, related_name="received", db_index=False)
    state = models.CharField(max_length=10, choices=State.choices)
    reason = models.CharField(max_length=500, blank=True)
    call_id = models.CharField(max_length=255, null=True, blank=True)
    #: Number of the call that this one repeats. No foreign key: that one goes by itself, as calls do, by age.
    repeats = models.BigIntegerField(null=True, blank=True, editable=False)
    method = models.CharField(max_length=8)
    query = models.CharField(max_length=2000, blank=True)
    headers = models.JSONField(default=dict)
    body = models.BinaryField()
    source_ip = models.GenericIPAddressField(null=True)
    events = models.JSONField(default=list, blank=True, help_text="Ids of the events it became.")
    attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    received_at = models.DateTimeField(auto_now_add=True)
    processed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["endpoint", "call_id"], name="call_once"),
        ]
        indexes = [
            models.Index(fields=["due_at"], name="webhook_waiting", condition=models.Q(state="received")),
            models.Index(fields=["organization", "-id"], name="webhook_newest"),
            models.Index(fields=["endpoint", "state", "-id"], name="webhook_of_endpoint"),
        ]

    def __str__(self) -> str:
        return f"{self.endpoint} {self.state}"


class Subscription(Timestamped):
    """An outgoing webhook: an address that gets events of some types, signed (Standard Webhooks).

    What is sent, and how, are rows of the usual kind which ``webhooks.subscriptions`` keeps in step: an
    *integration* (address, secrets, limits, circuit, queue, log) and a *route* to it (event types, filter).
    So a subscription is delivered by the one delivery path. ``failing_since`` is the first failure after
    which nothing was taken; ``warned`` the share of the time allowed (percent) that was told last.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="subscriptions")
    name = models.CharField(max_length=120)
    integration = models.OneToOneField(Integration, models.CASCADE, related_name="subscription")
    route = models.OneToOneField(Route, models.CASCADE, related_name="subscription")
    enabled = models.BooleanField(default=True)
    #: Why it is switched off, in a sentence.
    reason = models.CharField(max_length=500, blank=True)
    failing_since = models.DateTimeField(null=True, blank=True)
    last_failure_at = models.DateTimeField(null=True, blank=True)
    warned = models.PositiveSmallIntegerField(default=0)
    #: Unsubscribed: nothing is sent any more; the history stays as long as the log does.
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["organization", "-id"], name="subscription_newest"),
            models.Index(
                fields=["failing_since"],
                name="subscription_failing",
                condition=models.Q(failing_since__isnull=False),
            ),
        ]
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name

    @property
    def url(self) -> str:
        """Where it is sent to."""
        return str(self.integration.settings.get("url", ""))

    @property
    def types(self) -> list[str]:
        """Patterns of the event types that are sent."""
        return list(patterns_of(self.route.type_pattern))

    @property
    def previous_until(self) -> datetime | None:
        """Until when the secret before signs as well; None: only one signs."""
        text = self.integration.settings.get("previous_until")
        until = datetime.fromisoformat(text) if text else None
        return until if until and until > timezone.now() else None
