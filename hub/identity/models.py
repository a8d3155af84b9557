"""Invitations, sign-ins of the API, and the secrets of second factors."""

import uuid
from datetime import datetime

from django.conf import settings
from django.db import models

from hub.accounts.models import Organization, Role
from hub.lib.fields import EncryptedJSONField
from hub.lib.models import Timestamped


class SealedText(models.Model):
    """A secret of a library whose own table would hold it in plain text: there stands this row's id."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    text = EncryptedJSONField("second factors of people")

    def __str__(self) -> str:
        return f"Sealed text {self.pk}"


class Invitation(Timestamped):
    """An offer to join an organization: good once, until it expires or is withdrawn.

    The link holds 256 random bits; ``digest`` is their SHA-256, so the link is shown only when it is made.
    """

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="invitations")
    email = models.EmailField("e-mail")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.VIEWER)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    expires_at = models.DateTimeField()
    #: When it was sent to ``email``: whoever then has the link also reads that address.
    mailed_at = models.DateTimeField(null=True, blank=True, editable=False)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )
    accepted_at = models.DateTimeField(null=True, blank=True, editable=False)
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )
    withdrawn_at = models.DateTimeField(null=True, blank=True, editable=False)

    def __str__(self) -> str:
        return f"{self.email} to {self.organization}"

    def state(self, now: datetime) -> str:
        """Return accepted, withdrawn, expired or open."""
        if self.accepted_at is not None:
            return "accepted"
        if self.withdrawn_at is not None:
            return "withdrawn"
        return "expired" if self.expires_at <= now else "open"


class SignedIn(models.Model):
    """Somebody's sign-in by the API: the family of refresh tokens that follow each other.

    Only the token of the present ``generation`` is good. One of an earlier generation was copied by
    somebody: it ends the family.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="signed_in")
    generation = models.PositiveIntegerField(default=0)
    address = models.GenericIPAddressField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField(max_length=40, blank=True)

    def __str__(self) -> str:
        return f"{self.user} since {self.created_at:%Y-%m-%d %H:%M}"
