"""Writes outcomes so that one that the database refuses keeps no other from being written.

A batch is refused as a whole where an integration, a mapping or a fallback was deleted while an
item was under way, or where a provider's answer holds what no database takes (NUL, half a
surrogate pair). Then each is written by itself, mended where it must be.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import InterfaceError, OperationalError

from hub.connections.models import Integration
from hub.delivery import store
from hub.delivery.models import QueueItem, State
from hub.delivery.store import Settlement
from hub.mapping.models import FieldMapping

logger = logging.getLogger(__name__)

LARGEST = 2**53


def settle(settlements: Sequence[Settlement], now: datetime) -> list[Settlement]:
    """Write the outcomes; return the stale ones, as ``store.settle`` does.

    Raise OperationalError or InterfaceError where the database is away: nothing is written then.
    """
    try:
        return store.settle(settlements, now)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:  # whatever it is, the other outcomes must not wait for it
        logger.warning("A batch of outcomes was refused (%s); they are written one by one", error)
    return [stale for settlement in settlements for stale in _alone(settlement, now)]


def _alone(settlement: Settlement, now: datetime) -> list[Settlement]:
    refusal: Exception | None = None
    for version in _versions(settlement):
        try:
            return store.settle([version], now)
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:  # the next version holds less that can be refused
            refusal = error
    if refusal is not None:
        logger.error(
            "The outcome of item %s cannot be written (%s); its lease ends and it is tried again",
            settlement.item.id,
            refusal,
        )
    return []


def _versions(settlement: Settlement) -> Iterator[Settlement]:
    """Yield the outcome as it is, mended, and without its exchanges; nothing for an item that is gone."""
    if not QueueItem.objects.filter(pk=settlement.item.id).exists():
        return
    yield settlement
    mended = _pointing_at_what_is_there(_storable(settlement))
    yield mended
    mended.log.exchanges = ()
    yield mended


def _pointing_at_what_is_there(settlement: Settlement) -> Settlement:
    item = settlement.item
    integration_id, _, mapping_id = item.target(settlement.target_index)
    if not Integration.objects.filter(pk=integration_id).exists():
        told = f"{settlement.error} Its next fallback was deleted: replay the event."
        settlement.log.message = f"{settlement.log.message} Its next fallback was deleted."
        return replace(settlement, state=State.FAILED, target_index=item.target_index, error=told)
    if mapping_id is None or FieldMapping.objects.filter(pk=mapping_id).exists():
        return settlement
    targets = [{**stop, "mapping": None} for stop in item.targets]
    return replace(settlement, item=replace(item, mapping_id=None, targets=targets))


def _storable(settlement: Settlement) -> Settlement:
    log = settlement.log
    log.message, log.hint = _clean(log.message), _clean(log.hint)
    return replace(
        settlement,
        error=_clean(settlement.error),
        external_id=_clean(settlement.external_id),
        result=_clean(settlement.result),
    )


def _clean(value: Any) -> Any:
    """Return ``value`` as every database takes it."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
    if isinstance(value, dict):
        return {_clean(str(key)): _clean(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(inner) for inner in value]
    if isinstance(value, int) and abs(value) > LARGEST:
        return str(value)
    return value
