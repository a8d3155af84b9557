"""The audit log's table."""

from typing import Any

from auditlog.models import AbstractLogEntry, LogEntryManager
from django.db import models

from hub.accounts.models import Organization
from hub.audit.actors import present


class EntryManager(LogEntryManager):
    """Writes down to which organization a change belongs, and whose it was."""

    def log_create(self, instance: models.Model, force_log: bool = False, **values: Any) -> Any:
        """Make the entry of one change to ``instance``; None where nothing changed."""
        actor = present()
        values.setdefault("organization_id", organization_id(instance))
        values.setdefault("by", actor.name[:200])
        values.setdefault("actor", actor.user)
        values.setdefault("remote_addr", actor.address or None)
        values.setdefault("cid", actor.request_id or None)
        return super().log_create(instance, force_log=force_log, **values)


class Entry(AbstractLogEntry):
    """One change: ``changes`` is ``{field: [before, after]}``, a secret's both sides masked.

    ``by`` is a user's name, an API key, a command or the hub itself. The organization may be deleted
    since; its number stays.
    """

    organization = models.ForeignKey(
        Organization, models.DO_NOTHING, null=True, blank=True, db_constraint=False, related_name="+"
    )
    by = models.CharField(max_length=200, blank=True)

    objects = EntryManager()

    class Meta:
        verbose_name = "change"
        ordering = ["-id"]
        indexes = [models.Index(fields=["organization", "-id"], name="audit_newest")]

    def __str__(self) -> str:
        return f"{self.get_action_display().capitalize()}d {self.content_type.name} {self.object_repr}"


def organization_id(instance: models.Model) -> int | None:
    """Return the organization a row belongs to: its own, or that of what it is a part of."""
    if isinstance(instance, Organization):
        return instance.pk
    if hasattr(instance, "organization_id"):
        return int(instance.organization_id) if instance.organization_id else None
    for part_of in ("route", "integration", "sync", "endpoint", "mapping", "type"):
        if getattr(instance, f"{part_of}_id", None):
            return organization_id(getattr(instance, part_of))
    return None
