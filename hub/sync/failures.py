"""A sync that fails is told once, and once that it works again; the home page shows it meanwhile."""

import logging
from collections.abc import Sequence
from uuid import UUID

from django.conf import settings
from django.db.models import OuterRef, Subquery
from django.urls import reverse

from hub.events.alerts import alert_of, raise_all_clear
from hub.sync.models import RunState, Sync, SyncRun
from integrations.base.capabilities import IncidentUpdate

logger = logging.getLogger(__name__)


def note(run: SyncRun) -> bool:
    """Keep on the sync how ``run`` ended; return whether that is news. Part of the ending's transaction.

    Only runs of all of it count: who tries, or retries, some rows looks at them anyway.
    """
    some_rows = run.dry_run or run.filter or run.retry_of_id
    if some_rows or run.state not in (RunState.COMPLETED, RunState.FAILED):
        return False
    failing = run.state == RunState.FAILED
    return bool(Sync.objects.filter(pk=run.sync_id, failing=not failing).update(failing=failing))


def tell(run: SyncRun) -> None:
    """Raise the alert, or the all clear, for how ``run`` ended; after the commit, never raises."""
    sync, key = run.sync, f"sync-{run.sync_id}"
    details = {"sync": sync.slug, "integration": sync.integration.slug, "run": str(run.pk)}
    if run.state == RunState.FAILED:
        link = settings.HUB.url + reverse("admin:sync_syncrun_change", args=[run.pk])
        more = {"severity": "error", "group": "syncs", "details": details, "link": link}
        alert_of(sync.integration, key, f"{sync}: {run.message}", once=f"{key}-{run.pk}-{run.fence}", **more)
        return
    over = IncidentUpdate(dedup_key=key, summary=f"{sync}: the run completed.", details=details)
    try:
        raise_all_clear(run.organization, over)
    except Exception:  # whatever it is, the run has ended; its page tells it all the same
        logger.exception("The end of run %s became no all clear", run.pk)


def failed_runs(integrations: Sequence[UUID]) -> dict[UUID, list[SyncRun]]:
    """Return the failed last run of each sync in use that fails, by integration."""
    failing = Sync.objects.filter(integration__in=integrations, enabled=True, failing=True)
    ids = list(failing.values_list("pk", flat=True))
    if not ids:
        return {}
    whole = SyncRun.objects.filter(sync=OuterRef("pk"), dry_run=False, filter="", retry_of=None)
    last = Subquery(whole.order_by("-id").values("pk")[:1])
    # One that was resumed or begun since is under way: nobody is needed.
    newest = Sync.objects.filter(pk__in=ids).annotate(last=last).values("last")
    runs = SyncRun.objects.filter(pk__in=newest, state=RunState.FAILED)
    found: dict[UUID, list[SyncRun]] = {}
    for run in runs.select_related("sync").order_by("sync__name"):
        found.setdefault(run.sync.integration_id, []).append(run)
    return found
