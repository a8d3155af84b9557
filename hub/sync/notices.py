"""Webhooks shorten the wait: what a provider tells of brings the pull that reads it forward.

Many notices make one pull: the first sets when it begins, the others find it set. A notice that comes
while a run reads is not lost: the next run begins when that one is over.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from fnmatch import fnmatchcase

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from hub.connections.models import Integration
from hub.sync.models import Direction, ExternalLink, Sync, Winner
from hub.sync.records import Given, fingerprint, upsert
from integrations.base.provider import Pull
from integrations.base.webhooks import Notice

#: How long a pull waits after the first notice: more of them come, and searches lag behind changes.
SOON = timedelta(seconds=10)


def told(integration: Integration, notices: Iterable[Notice]) -> None:
    """Let the pulls of what the verified ``notices`` are about begin soon; take deletions at once."""
    given = list(notices)
    for pull in integration.provider.pulls:
        changed, gone = _about(pull, given)
        if not changed and not gone:
            continue
        syncs = Sync.objects.filter(
            integration=integration,
            direction=Direction.PULL,
            action=pull.name,
            enabled=True,
            on_webhook=True,
        )
        for sync in syncs.filter(take_deletions=True).select_related("type") if gone else ():
            delete(sync, gone)
        if changed:
            _bring_forward(syncs)


def delete(sync: Sync, external_ids: Sequence[str]) -> int:
    """Delete the records that are linked to what was deleted there; return how many it were.

    One that was changed here since it was told stays where the hub, or a person, decides.
    """
    with transaction.atomic():
        links = ExternalLink.objects.select_for_update().filter(
            integration=sync.integration_id,
            external_id__in=external_ids,
            record__type=sync.type_id,
            record__deleted=False,
        )
        rows = [link for link in links.select_related("record", "record__type") if _goes(sync, link)]
        given = [Given(link.record.key, link.record.data, deleted=True) for link in rows]
        upsert(sync.type, given, origin=sync.integration)
        for link in rows:
            link.fingerprint, link.recipe = fingerprint(link.record.data, deleted=True), ""
            link.read_at = timezone.now()
        ExternalLink.objects.bulk_update(rows, ["fingerprint", "recipe", "read_at"])
    return len(rows)


def _goes(sync: Sync, link: ExternalLink) -> bool:
    return sync.wins not in (Winner.HUB, Winner.ASK) or link.fingerprint == link.record.fingerprint


def _about(pull: Pull, notices: Iterable[Notice]) -> tuple[bool, list[str]]:
    """Whether something changed that the pull reads, and the ids of what is gone."""
    gone = [one for one in notices if _is(one.type, pull.gone_by)]
    changed = any(_is(one.type, pull.told_by) for one in notices if one not in gone)
    return changed, [one.subject for one in gone if one.subject]


def _is(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _bring_forward(syncs: QuerySet[Sync]) -> None:
    soon = timezone.now() + SOON
    later = Q(next_run_at__isnull=True) | Q(next_run_at__gt=soon)
    syncs.filter(later).update(next_run_at=soon, nudged=True)
