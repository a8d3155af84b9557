"""What the audit log looks at: what people configure. Nothing that is written for every event."""

from typing import Any

from auditlog.registry import auditlog
from django.apps import apps
from django.db.models import Model
from django.db.models.signals import pre_save

from hub.audit.models import Entry
from hub.lib.fields import Sealed

MASKED = "•••"
#: By model: the fields that are looked at. Others change by themselves, or are secrets.
WATCHED: dict[str, tuple[str, ...]] = {
    "accounts.Organization": (
        *("name", "slug", "requires_two_factors", "keep_events", "keep_contents", "keep_logs"),
        *("keep_webhooks", "events_per_day", "events_per_month", "deliveries_per_second"),
    ),
    "accounts.Membership": ("user", "organization", "role"),
    "accounts.APIKey": ("name", "scopes", "expires_at", "allowed_networks", "revoked_at"),
    "identity.Invitation": ("email", "role", "expires_at", "accepted_at", "accepted_by", "withdrawn_at"),
    "connections.Integration": (
        *("name", "slug", "provider_slug", "auth_key", "settings", "sandbox", "allowed_hosts"),
        *("status", "status_reason", "rate_count", "rate_seconds", "max_in_flight", "batch_size"),
        *("quick_tries", "quick_delay", "schedule", "timeout", "breaker_threshold", "breaker_cooldown"),
    ),
    "mapping.FieldMapping": ("name", "slug", "provider_slug", "action", "rules"),
    "events.EventType": ("name", "description", "schema", "on_invalid", "example"),
    "events.Route": (
        *("name", "slug", "enabled", "type_pattern", "filter", "integration", "action", "mapping"),
        *("priority", "purpose", "delay", "ordered"),
    ),
    "events.RouteFallback": ("position", "integration", "action", "mapping"),
    "sync.RecordType": ("name", "label", "schema", "key_field", "subject_field"),
    "sync.Sync": (
        *("name", "slug", "integration", "type", "direction", "action", "mapping", "delete_policy"),
        *("delete_action", "delete_mapping", "id_path", "modified_path", "deleted_path", "take_deletions"),
        *("wins", "field_wins", "on_webhook", "cron", "time_zone", "enabled"),
    ),
    "files.ImportMapping": ("type", "name", "shape", "columns", "replace"),
    "quality.QualityRule": ("type", "field", "kind", "pattern", "minimum", "maximum", "days", "enabled"),
    "webhooks.WebhookEndpoint": (
        *("name", "slug", "integration", "enabled", "previous_until", "rate_per_minute"),
    ),
    # Its address, filter and limits are its integration's and its route's.
    "webhooks.Subscription": ("name", "enabled", "reason", "ended_at"),
    "auth.User": ("username", "email", "first_name", "last_name", "is_active", "is_superuser", "password"),
    "mfa.Authenticator": ("type",),
    "socialaccount.SocialAccount": ("provider", "uid"),
}
#: Encrypted fields whose parts are named when they change: (model, field, how to reach what it is of).
SECRETS = (
    ("connections.Credential", "secrets", "integration"),
    ("webhooks.WebhookEndpoint", "keys", ""),
)


def watch_all() -> None:
    """Begin to watch; called once, when all models are loaded."""
    for label, fields in WATCHED.items():
        masked = [name for name in fields if name == "password"]
        auditlog.register(
            apps.get_model(label),
            include_fields=list(fields),
            mask_fields=masked,
            mask_callable="hub.audit.watched.mask",
        )
    for label, field, whose in SECRETS:
        _watch_secret(apps.get_model(label), field, whose)


def mask(value: str) -> str:
    """Return what stands for a secret."""
    return MASKED


def _watch_secret(model: type[Model], field: str, whose: str) -> None:
    def note(sender: Any, instance: Any, update_fields: Any = None, raw: bool = False, **kwargs: Any) -> None:
        if raw or (update_fields is not None and field not in update_fields):
            return
        changed = _changed_parts(model, instance, field)
        if changed:
            subject = getattr(instance, whose) if whose else instance
            changes = {name: [MASKED, MASKED] for name in changed}
            Entry.objects.log_create(subject, action=Entry.Action.UPDATE, changes=changes)

    pre_save.connect(note, sender=model, weak=False, dispatch_uid=f"audit-{model._meta.label}-{field}")


def _changed_parts(model: type[Model], instance: Any, field: str) -> list[str]:
    """Return the names of the secrets that ``instance`` is about to change; of what cannot be opened, all."""
    held = instance.__dict__.get(field, Sealed())
    if instance._state.adding or isinstance(held, Sealed):
        return []  # what nobody opened is not changed, and keeps its ciphertext
    new = _opened(instance, field)
    former = model._base_manager.filter(pk=instance.pk).only("pk", field).first()
    old = _opened(former, field) if former is not None else {}
    return sorted(name for name in {*old, *new} if old.get(name) != new.get(name))


def _opened(instance: Any, field: str) -> dict[str, Any]:
    try:
        return dict(getattr(instance, field) or {})
    except Exception:  # its key is lost: connecting anew must go on all the same
        return {}
