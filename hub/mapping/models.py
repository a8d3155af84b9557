"""Field mappings: how an event becomes the input of an action; every state that one of them had."""

from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import Max

from hub.accounts.models import Organization
from hub.lib.models import Timestamped

#: What a version keeps, and a change of which makes a new one.
KEPT = ("name", "provider_slug", "action", "rules")


class FieldMapping(Timestamped):
    """Ordered rules from an event to an action's input.

    ``rules`` is a list of ``{"source": JMESPath, "transforms": [{"name": …, …options}],
    "target": field, "required": bool}``. ``target`` may be dotted (``properties.email``).
    Each save that changes something is a version.
    """

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="mappings")
    name = models.CharField(max_length=120)
    slug = models.SlugField(
        "short name", max_length=60, help_text="In URLs, the API and configuration files."
    )
    provider_slug = models.CharField("provider", max_length=60, blank=True)
    action = models.CharField(max_length=80, blank=True)
    rules = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "slug"], name="mapping_slug_once")]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save, and keep a version; one that was saved before there were versions is kept as the first."""
        with transaction.atomic():
            before = FieldMapping.objects.filter(pk=self.pk).first() if self.pk else None
            if before is not None and not before.versions.exists():
                before.keep_version(note="As it was before versions were kept")
            super().save(*args, **kwargs)
            self.keep_version(self._by, self._note)

    def said_by(self, user: Any, note: str = "") -> "FieldMapping":
        """Say for the next version who saves, and why; return the mapping itself."""
        self._by, self._note = user, note
        return self

    def keep_version(self, user: Any = None, note: str = "") -> "MappingVersion | None":
        """Keep the present state as a version unless it is the latest one already."""
        latest = self.versions.order_by("-number").first()
        if latest is not None and all(getattr(latest, each) == getattr(self, each) for each in KEPT):
            return None
        number = self.versions.aggregate(last=Max("number"))["last"] or 0
        return MappingVersion.objects.create(
            mapping=self,
            number=number + 1,
            user=user,
            by=str(user or "")[:150],
            note=note[:200],
            **{each: getattr(self, each) for each in KEPT},
        )

    _by: Any = None
    _note = ""


class MappingVersion(models.Model):
    """A mapping as somebody saved it: in use from ``created_at`` until the next one."""

    id = models.BigAutoField(primary_key=True)
    mapping = models.ForeignKey(FieldMapping, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=120)
    provider_slug = models.CharField(max_length=60, blank=True)
    action = models.CharField(max_length=80, blank=True)
    rules = models.JSONField(default=list)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True)
    by = models.CharField(
        max_length=150, blank=True, help_text="The user's name, also once the user is gone."
    )
    note = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["mapping", "number"], name="mapping_version_once")]
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"{self.name}, version {self.number}"
