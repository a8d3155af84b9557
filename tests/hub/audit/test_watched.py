"""Whatever people configure is watched: a new model or field is named here, or the audit log has it."""

from typing import Any

import pytest
from django.apps import apps
from django.db.models import Model

from hub.audit.models import Entry
from hub.audit.watched import SECRETS, WATCHED
from tests import factories as make

#: Tables that hold no configuration, and what they hold instead.
PASSING = {
    "accounts.Usage": "counts",
    "api.IdempotentCall": "answers for a day",
    "audit.Entry": "the audit log itself",
    "config.DemoTraffic": "whether the demo's sample events flow",
    "connections.Credential": "secrets, which are named by SECRETS; else what providers give out",
    "connections.KeyCanary": "what says whether the keys are right",
    "connections.PendingSwitch": "a question that waits for an answer, for minutes",
    "connections.SignIn": "a sign-in under way",
    "delivery.BulkRun": "deeds, with who began them",
    "delivery.IntegrationLog": "a log",
    "delivery.QueueItem": "deliveries",
    "delivery.WorkerBeat": "signs of life",
    "delivery.WorkerSlots": "who may have how much under way, for seconds",
    "events.Event": "events",
    "files.FileChunk": "uploads",
    "files.FileImport": "imports, with who began them",
    "files.RejectedFileRow": "what came of an import",
    "identity.SealedText": "secrets of second factors, which mfa.Authenticator tells of",
    "identity.SignedIn": "sign-ins",
    "mapping.MappingVersion": "former rules, with who wrote them",
    "metrics.Acknowledgement": "who has seen a failure",
    "metrics.HealthReport": "reports",
    "metrics.HourFigures": "figures",
    "metrics.MinuteFigures": "figures",
    "metrics.OrganizationHours": "figures",
    "metrics.RollupCursor": "figures",
    "metrics.TotalFigures": "figures",
    "quality.Drift": "what was found, with who has seen it",
    "quality.Offender": "what was found",
    "quality.QualityCheck": "what was found",
    "quality.QualityPoint": "what was found",
    "quality.ReadShape": "what was found",
    "sync.Conflict": "what was found, with who decided",
    "sync.ExternalLink": "ids of records",
    "sync.Record": "records",
    "sync.RejectedRow": "what came of a run",
    "sync.RunChange": "what came of a run",
    "sync.SyncRun": "runs, with who asked for them",
    "webhooks.ReceivedWebhook": "calls",
}
#: Of what is watched: columns that identify, that change by themselves, or that are secrets.
EVERYWHERE = {"id", "created_at", "updated_at", "organization"}
BY_THEMSELVES = {
    "accounts.APIKey": {"prefix", "digest", "last_used_at", "created_by"},
    "connections.Integration": {
        *("circuit", "circuit_until", "circuit_opened", "failure_streak", "breaker_window", "blocked_until"),
        *("tested_at", "test_ok", "test_kind", "test_message", "test_latency_ms"),
        *("account_label", "account_id"),
    },
    "events.RouteFallback": {"route"},
    "identity.Invitation": {"digest", "mailed_at", "invited_by"},
    "sync.Sync": {"next_run_at", "nudged", "read_until", "failing"},
    "webhooks.Subscription": {"integration", "route", "failing_since", "last_failure_at", "warned"},
    "webhooks.WebhookEndpoint": {"token_digest", "keys", "last_call_at"},
}


def ours() -> list[type[Model]]:
    """Every table of the project's own."""
    return [model for model in apps.get_models() if model.__module__.startswith(("hub.", "webhooks."))]


def test_every_table_is_watched_or_passes_with_a_reason() -> None:
    labels = {model._meta.label for model in ours()}

    assert labels - set(WATCHED) - set(PASSING) == set(), "Neither watched nor passed over on purpose."
    assert set(PASSING) - labels == set(), "There is no such table any more."
    assert not set(PASSING) & set(WATCHED)


@pytest.mark.parametrize("label", sorted(WATCHED))
def test_every_column_of_a_watched_table_is_watched_or_passes(label: str) -> None:
    model = apps.get_model(label)
    if model not in ours():
        return  # of a library's table, what is watched is told field by field
    columns = {field.name for field in model._meta.concrete_fields}
    passing = EVERYWHERE | BY_THEMSELVES.get(label, set())

    assert columns - set(WATCHED[label]) - passing == set()
    assert set(WATCHED[label]) <= columns
    assert not set(WATCHED[label]) & BY_THEMSELVES.get(label, set())


def test_secrets_are_encrypted_columns() -> None:
    for label, field, _ in SECRETS:
        assert apps.get_model(label)._meta.get_field(field).__class__.__name__.startswith("Encrypted")


def changed(row: Any, **values: Any) -> Entry:
    """Change ``row`` and return the newest entry, which has to be of its organization."""
    for name, value in values.items():
        setattr(row, name, value)
    row.save()
    entry = Entry.objects.first()
    assert entry is not None
    assert set(entry.changes) == set(values)
    assert entry.organization_id
    return entry


@pytest.mark.django_db
def test_what_the_newer_slices_configure_is_noted_down() -> None:
    kind = make.RecordTypeFactory()
    rule = kind.quality_rules.create(field="email", kind="required")
    assert changed(rule, enabled=False).organization == kind.organization
    shop = {"name": "Shop", "columns": {"Mail": "email"}}
    columns = kind.import_mappings.create(organization=kind.organization, **shop)
    assert changed(columns, name="The shop").organization == kind.organization
    sync = make.SyncFactory(type=kind)
    assert changed(sync, field_wins={"email": "hub"}).organization == kind.organization
    made, _ = make.subscription(kind.organization)
    assert changed(made, name="Renamed").organization == kind.organization
    kind.organization.keep_logs = 5
    assert changed(kind.organization, keep_logs=6).organization == kind.organization
