"""What the API remembers of calls, so that repeating one does nothing twice."""

import uuid

from django.db import models

from hub.accounts.models import Organization
from hub.lib.fields import EncryptedJSONField


class IdempotentCall(models.Model):
    """A call that was sent with ``Idempotency-Key``.

    ``fingerprint`` (SHA-256) is of what was called and sent. ``answer`` is ``{"status": int, "headers":
    {name: value}, "body": JSON text}``, encrypted because an answer may tell a secret once; empty
    while the call is under way.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    answer = EncryptedJSONField("answers kept for repeated requests", null=True)
    started_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "key"], name="idempotency_key_once")]
        indexes = [models.Index(fields=["started_at"], name="idempotency_age")]

    def __str__(self) -> str:
        return f"Call with the key {self.key}"
