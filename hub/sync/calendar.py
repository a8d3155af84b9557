"""When a schedule comes round next: a cron expression in a time zone, right across changes of the clock."""

from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

_BAD_ZONE = "There is no time zone {!r}; it looks like Europe/Berlin."


class ScheduleError(ValueError):
    """A schedule cannot be used; the message says why."""


def next_time(cron: str, time_zone: str, after: datetime) -> datetime:
    """Return the first time after ``after``, in UTC; raise ScheduleError.

    A time that the clock leaves out in spring comes at the end of the gap, one that it shows twice in
    autumn comes once; what runs every so many minutes or hours keeps its pace.
    """
    zone = _zone(time_zone)
    try:
        found = next(CronSim(cron, after.astimezone(zone)))
    except CronSimError:
        raise ScheduleError(
            f"{cron!r} is no cron expression; “0 6 * * 1-5” means on weekdays at six."
        ) from None
    except StopIteration:
        raise ScheduleError(f"{cron!r} never comes round.") from None
    return found.astimezone(UTC)


def in_words(cron: str) -> str:
    """Return what a cron expression says: ``At 06:00 on Monday through Friday``; empty where it is none."""
    try:
        return str(CronSim(cron, datetime.now(UTC)).explain())
    except CronSimError:
        return ""


def next_times(cron: str, time_zone: str, after: datetime, count: int = 3) -> list[datetime]:
    """Return the next times by the clock of ``time_zone``; fewer, or none, where it does not come round."""
    found: list[datetime] = []
    try:
        zone = _zone(time_zone)
        while len(found) < count:
            found.append(next_time(cron, time_zone, found[-1] if found else after).astimezone(zone))
    except ScheduleError:
        pass
    return found


@lru_cache(maxsize=512)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, KeyError, OSError):
        raise ScheduleError(_BAD_ZONE.format(name)) from None
