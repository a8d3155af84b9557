"""Keeps arrivals within the quotas of their organizations; part of the transaction that writes them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from hub.accounts.quotas import Ledger, Quota, QuotaExceeded
from hub.events.writer import Arrival, earlier_of


def beyond(
    parts: Mapping[int, Sequence[Arrival]], quotas: Mapping[int, Sequence[Quota]], now: datetime
) -> dict[int, QuotaExceeded]:
    """Return which of ``parts`` are beyond a quota and why; all others are counted.

    ``parts``: arrivals of one organization each, by a number of the caller's, in the order in which they
    came; ``quotas`` by organization id. What was accepted before costs nothing, so a sender may repeat.
    """
    arrivals = [arrival for part in parts.values() for arrival in part]
    ledger = Ledger(quotas, now)
    known: set[tuple[int, Any]] = set(earlier_of(arrivals))
    refused = {}
    for number, part in parts.items():
        keys = [arrival.key for arrival in part]
        fresh = {key for key in keys if key[1]} - known
        if error := ledger.take(part[0].organization_id, len(fresh) + sum(not key[1] for key in keys)):
            refused[number] = error
        else:
            known |= fresh
    ledger.close()
    return refused
