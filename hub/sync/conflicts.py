"""Records that both sides changed: listed while they are, and decided by a person."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from hub.lib.insert import Insert
from hub.sync.merge import Facts, merge
from hub.sync.models import Conflict, ExternalLink, Record, Sync, Winner
from hub.sync.records import Given, RecordError, check, fingerprint, upsert

AGREED, FIELDS = "agreed", "fields"
_OPENED = Insert(
    Conflict, "organization_id", "sync_id", "integration_id", "record_id", "fields", "created_at"
)
#: What may be said of a field, or of all.
CHOICES = (Winner.HUB.value, Winner.PROVIDER.value)


class Undecided(ValueError):
    """The decision cannot be carried out; the message says why."""


class Overtaken(Undecided):
    """Nothing is wrong with the decision, but there is nothing to decide any more, or not now."""


def follow(sync: Sync, found: Mapping[int, Mapping[str, Any]]) -> None:
    """Open, renew or close the conflicts of the records that were just read: id → fields in conflict.

    Part of the caller's transaction.
    """
    now = timezone.now()
    rows = Conflict.objects.filter(
        organization=sync.organization_id, integration=sync.integration_id, chosen=""
    )
    if not any(found.values()) and not (found and rows.exists()):
        return  # the usual case, at the price of a look into a small index
    rows = rows.filter(record__in=list(found))
    still: set[int] = set()
    for conflict in rows:
        fields = found[conflict.record_id]
        still.add(conflict.record_id)
        if not fields:
            _close(conflict, AGREED, "")
        elif fields != conflict.fields:
            conflict.fields = fields
            conflict.save(update_fields=["fields"])
    fresh = [
        (sync.organization_id, sync.pk, sync.integration_id, record, fields, now)
        for record, fields in sorted(found.items())
        if fields and record not in still
    ]
    _OPENED.run(fresh)


def decide(conflict: Conflict, choice: str | Mapping[str, str], who: str) -> None:
    """Let a side win: ``hub``, ``provider``, or one of them for each field. Raise Undecided.

    What the hub wins goes out with the next push; what the integration wins is written here, and does
    not go back to where it came from.
    """
    with transaction.atomic():
        held = Conflict.objects.select_for_update().filter(pk=conflict.pk).first()
        if held is None:
            raise Overtaken("This conflict is gone, with its record, sync or integration.")
        if held.chosen:
            raise Overtaken("This conflict is decided already.")
        choices = _choices(held, choice)
        _carry_out(held, {name for name, side in choices.items() if side == Winner.PROVIDER})
        _close(held, choice if isinstance(choice, str) else FIELDS, who)


def _choices(conflict: Conflict, choice: str | Mapping[str, str]) -> dict[str, str]:
    chosen = dict.fromkeys(conflict.fields, choice) if isinstance(choice, str) else dict(choice)
    if missing := [name for name in conflict.fields if chosen.get(name) not in CHOICES]:
        raise Undecided(f"Say 'hub' or 'provider' for {', '.join(missing)}.")
    if strange := [name for name in chosen if name not in conflict.fields]:
        raise Undecided(f"There is no conflict about {', '.join(strange)}.")
    return {name: str(side) for name, side in chosen.items()}


def _carry_out(conflict: Conflict, taken: set[str]) -> None:
    record = Record.objects.select_related("type").get(pk=conflict.record_id)
    theirs = {name: values["provider"] for name, values in conflict.fields.items()}
    links = ExternalLink.objects.select_for_update()
    link = links.filter(record=record, integration=conflict.integration_id).first()
    if link is None:
        raise Overtaken(
            f"{record} is not linked to {conflict.integration} any more. Run the sync {conflict.sync}: it "
            "links them again, or says what differs then."
        )
    data = {**record.data, **{name: theirs[name] for name in taken}}
    if taken and not record.deleted:
        try:
            check(record.type, data)
        except RecordError as error:
            raise Undecided(f"The value from there does not fit the record type: {error}") from None
        upsert(record.type, [Given(record.key, data)], origin=conflict.integration)
    # What was read is no news any more, whoever won.
    link.base = {**(link.base or {}), **theirs}
    read = {**(link.read or {}), **theirs}
    in_step = merge(data, read, link.base, Facts(unsent=True)).in_step
    link.fingerprint = fingerprint(data) if in_step else ""
    link.save(update_fields=["base", "fingerprint"])


def _close(conflict: Conflict, chosen: str, who: str) -> None:
    conflict.chosen, conflict.decided_by, conflict.decided_at = chosen, who[:150], timezone.now()
    conflict.save(update_fields=["chosen", "decided_by", "decided_at"])
