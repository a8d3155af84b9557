"""Writes the integration log. Exchanges arrive redacted; nothing here reads a secret."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.utils import timezone

from hub.connections.models import Integration
from hub.delivery.models import IntegrationLog, LogKind
from integrations.base.http import Exchange


def record(
    integration: Integration,
    kind: LogKind,
    outcome: str,
    message: str,
    *,
    hint: str = "",
    exchanges: Iterable[Exchange] = (),
    duration_ms: int = 0,
    **fields: Any,
) -> IntegrationLog:
    """Save one entry and return it; ``fields`` are further columns of IntegrationLog."""
    entry = build(
        integration.pk,
        integration.organization_id,
        kind,
        outcome,
        message,
        hint=hint,
        exchanges=exchanges,
        duration_ms=duration_ms,
        **fields,
    )
    entry.save()
    return entry


def build(
    integration_id: Any,
    organization_id: int,
    kind: LogKind,
    outcome: str,
    message: str,
    *,
    hint: str = "",
    exchanges: Iterable[Exchange] = (),
    duration_ms: int = 0,
    created_at: datetime | None = None,
    **fields: Any,
) -> IntegrationLog:
    """Return an unsaved entry."""
    kept = [asdict(exchange) for exchange in exchanges]
    status = next((entry["status"] for entry in reversed(kept) if entry["status"]), None)
    return IntegrationLog(
        integration_id=integration_id,
        organization_id=organization_id,
        kind=kind,
        outcome=outcome,
        message=message[:1000],
        hint=hint[:500],
        exchanges=kept,
        status_code=fields.pop("status_code", None) or status,
        duration_ms=duration_ms,
        created_at=created_at or timezone.now(),
        **fields,
    )
