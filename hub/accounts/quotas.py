"""How much an organization may send: so many events a day and a month, so many deliveries a second.

Events are counted only where there is a quota, in rows that the accepting transaction locks, so that the
count is exact over any number of processes. Days and months are those of UTC.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from hub.accounts.models import Organization, Usage

Period = Usage.Period
FORGOTTEN = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Quota:
    """At most ``limit`` events in a ``period``."""

    period: Period
    limit: int


class QuotaExceeded(Exception):
    """An organization's events are used up, or fewer are left than were brought; nothing was accepted."""

    def __init__(self, quota: Quota, used: int, brought: int, now: datetime):
        """``used``: events accepted in the period that ``now`` is in; ``brought``: how many came."""
        self.quota, self.used = quota, used
        self.resets_at = ends(quota.period, now)
        #: Whole seconds until then.
        self.wait = max(1, math.ceil((self.resets_at - now).total_seconds()))
        left = max(0, quota.limit - used)
        came = f" {brought} came, {left} are left." if left else ""
        super().__init__(
            f"This organization may send {quota.limit:,} events a {quota.period.value}, and {used:,} were "
            f"accepted.{came} The next are taken from {self.resets_at:%Y-%m-%d %H:%M} UTC on."
        )


def quotas_of(organization: Organization) -> tuple[Quota, ...]:
    """Return the organization's quotas of events; asks no database."""
    day, month = organization.events_per_day, organization.events_per_month
    found = [Quota(Period.DAY, day)] if day is not None else []
    return (*found, Quota(Period.MONTH, month)) if month is not None else tuple(found)


def begins(period: Period, now: datetime) -> date:
    """Return the first day of the period that ``now`` is in."""
    today = now.astimezone(UTC).date()
    return today if period == Period.DAY else today.replace(day=1)


def ends(period: Period, now: datetime) -> datetime:
    """Return when the next period begins."""
    first = begins(period, now)
    following = first + timedelta(days=1 if period == Period.DAY else 31)
    if period == Period.MONTH:
        following = following.replace(day=1)
    return datetime(following.year, following.month, following.day, tzinfo=UTC)


class Ledger:
    """The counts of some organizations, locked until the caller's transaction ends."""

    def __init__(self, quotas: Mapping[int, Sequence[Quota]], now: datetime):
        """``quotas`` by organization id. Call it in a transaction, and ``close`` it there."""
        self._quotas, self._now = quotas, now
        self._rows = _locked(quotas.keys(), now)
        self._taken: dict[int, int] = {}

    def take(self, organization_id: int, count: int) -> QuotaExceeded | None:
        """Count ``count`` more events; or, where they are too many, return why and count none."""
        taken = self._taken.get(organization_id, 0)
        for quota in self._quotas[organization_id] if count else ():
            used = self._rows[organization_id, quota.period].events + taken
            if used + count > quota.limit:
                return QuotaExceeded(quota, used, count, self._now)
        self._taken[organization_id] = taken + count
        return None

    def close(self) -> None:
        """Write the counts."""
        changed = []
        for (organization_id, _), row in self._rows.items():
            if taken := self._taken.get(organization_id):
                row.events += taken
                changed.append(row)
        Usage.objects.bulk_update(changed, ["events"])


def _locked(organization_ids: Collection[int], now: datetime) -> dict[tuple[int, Period], Usage]:
    """Return the rows of the present day and month, made where they are missing, always in one order."""
    wanted = [(pk, period) for pk in sorted(organization_ids) for period in Period]
    found = _rows(organization_ids, now, lock=True)
    if missing := [key for key in wanted if key not in found]:
        fresh = [Usage(organization_id=pk, period=each, begins=begins(each, now)) for pk, each in missing]
        Usage.objects.bulk_create(fresh, ignore_conflicts=True)
        # Once a day: what is older than a year is of no use to anybody.
        Usage.objects.filter(
            organization_id__in=organization_ids, begins__lt=(now - FORGOTTEN).date()
        ).delete()
        found = _rows(organization_ids, now, lock=True)
    return found


def _rows(ids: Collection[int], now: datetime, *, lock: bool) -> dict[tuple[int, Period], Usage]:
    firsts = {begins(period, now) for period in Period}
    rows = Usage.objects.filter(organization_id__in=ids, begins__in=firsts).order_by(
        "organization_id", "period"
    )
    if lock:
        rows = rows.select_for_update()
    return {
        (row.organization_id, Period(row.period)): row
        for row in rows
        if row.begins == begins(Period(row.period), now)
    }


@dataclass(frozen=True, slots=True)
class Standing:
    """How far an organization is with one of its quotas."""

    quota: Quota
    used: int
    resets_at: datetime

    @property
    def percent(self) -> int:
        """How much of it is used."""
        return 100 if not self.quota.limit else min(100, self.used * 100 // self.quota.limit)


def standings(organization: Organization, now: datetime) -> list[Standing]:
    """Return how far the organization is with each of its quotas of events."""
    quotas = quotas_of(organization)
    rows = _rows([organization.pk], now, lock=False) if quotas else {}
    return [
        Standing(
            quota,
            row.events if (row := rows.get((organization.pk, quota.period))) else 0,
            ends(quota.period, now),
        )
        for quota in quotas
    ]
