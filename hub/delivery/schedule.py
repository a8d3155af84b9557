"""Delivery's own scheduled jobs, and its log of what connections tell."""

from typing import Any

from hub.connections import lost
from hub.connections.check import run_connection_test
from hub.connections.expiry import warn_expiring
from hub.connections.models import Integration, Status
from hub.connections.signals import changed_by_hand, connection_tested, credential_expiring, token_renewed
from hub.delivery import housekeeping, log, pruning
from hub.delivery.jobs import register_scheduled_job
from hub.delivery.models import LogKind

MINUTE = 60
HOUR = 3600


def register() -> None:
    """Called once, when the apps are ready."""
    register_scheduled_job("sweep", housekeeping.SWEEP_EVERY, housekeeping.sweep)
    register_scheduled_job("lost keys", MINUTE, lost.hold)
    register_scheduled_job("connection tests", HOUR, test_connections)
    register_scheduled_job("credential expiry", HOUR, warn_expiring)
    register_scheduled_job("prune", pruning.SLICE_EVERY, pruning.prune_slice, apart=True)
    connection_tested.connect(_log_test, dispatch_uid="delivery-log")
    token_renewed.connect(_log_token, dispatch_uid="delivery-log")
    changed_by_hand.connect(_log_change, dispatch_uid="delivery-log")
    credential_expiring.connect(_log_expiry, dispatch_uid="delivery-log")


def test_connections() -> int:
    """Test every integration that is not paused; return how many failed."""
    rows = Integration.objects.listed().exclude(status=Status.PAUSED)
    return sum(not run_connection_test(integration).ok for integration in rows)


def _log_test(sender: Any, *, integration: Any, outcome: Any, exchanges: Any = (), **_: Any) -> None:
    log.record(
        integration,
        LogKind.TEST,
        "ok" if outcome.ok else "failed",
        outcome.message,
        hint=outcome.hint,
        exchanges=exchanges,
        duration_ms=outcome.latency_ms,
    )


def _log_token(
    sender: Any, *, integration_id: Any, error: Any, exchanges: Any, latency_ms: int, **_: Any
) -> None:
    integration = Integration.objects.filter(pk=integration_id).first()
    if integration is None:
        return
    log.record(
        integration,
        LogKind.TOKEN,
        error.kind if error else "ok",
        error.message if error else "The access token was renewed.",
        hint=error.hint if error else "",
        exchanges=exchanges,
        duration_ms=latency_ms,
    )


def _log_change(sender: Any, *, integration: Any, message: str, **_: Any) -> None:
    log.record(integration, LogKind.STATE, "ok", message)


def _log_expiry(sender: Any, *, integration: Any, message: str, **_: Any) -> None:
    log.record(integration, LogKind.STATE, "expiring", message, hint="Renew it before it ends.")
