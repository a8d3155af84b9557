"""Whether what is limited, kept, copied and sent over the network is set as it should be."""

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db import DatabaseError, connection, connections
from django.db.models import Max
from django.utils import timezone

from hub.accounts.models import Organization
from hub.accounts.quotas import standings
from hub.config.doctor.finding import Finding, advice, ok, problem
from hub.delivery import beats
from hub.events.models import Event
from hub.lib.replica import ALIAS

#: Percent of a quota from which it is worth a word.
NEARLY = 90
#: Organizations that are looked at.
MOST = 1000
#: Days by which what should have gone may be late.
LATE_PRUNING = timedelta(days=3)
#: A copy this far behind shows lists that nobody trusts.
GREAT_LAG = 30.0
_LOCAL = frozenset({"", "localhost", "127.0.0.1", "::1"})
_LAG = """
    SELECT pg_is_in_recovery(),
        COALESCE(EXTRACT(EPOCH FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0),
        COALESCE(pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn(), FALSE)
"""


def quotas() -> Iterator[Finding]:
    """Whether organizations come to the end of what they may send, and whether all workers count together."""
    limited = Organization.objects.exclude(events_per_day=None, events_per_month=None)[:MOST]
    now = timezone.now()
    for organization in limited:
        for each in standings(organization, now):
            if each.percent >= NEARLY:
                said = f"{organization} has used {each.percent} % of its events a {each.quota.period.value}."
                yield advice("quotas", said, "More are refused until it begins anew; raise it in the admin.")
    paced = Organization.objects.exclude(deliveries_per_second=None).count()
    if paced and not settings.HUB.redis_url and beats.alive().count() > 1:
        yield problem(
            "quotas",
            f"{paced} organizations have a quota of deliveries, and each worker uses an equal part of it, "
            "also of what the others leave.",
            "Set HUB_REDIS_URL, to the same Redis for every process.",
        )
    yield ok("quotas", f"{len(limited)} organizations with one of events, {paced} with one of deliveries.")


def retention() -> Iterator[Finding]:
    """Whether things go when they should, and at all."""
    days = settings.HUB.retention_days
    if days <= 0:
        yield advice(
            "retention",
            "Nothing is ever removed: the disk fills.",
            "Set HUB_RETENTION_DAYS, such as 90.",
        )
        return
    longest = max(days, Organization.objects.aggregate(most=Max("keep_events"))["most"] or 0)
    oldest = Event.objects.order_by("id").values_list("received_at", flat=True).first()
    if oldest and oldest < timezone.now() - timedelta(days=longest) - LATE_PRUNING:
        yield advice(
            "retention",
            f"There are events of {oldest:%Y-%m-%d}, though none should be older than {longest} days.",
            "Unfinished deliveries keep theirs. Else see that the scheduler runs and its job 'prune' passes.",
        )
    yield ok("retention", f"{days} days, unless an organization says otherwise.")


def replica() -> Iterator[Finding]:
    """Whether the copy that lists are read from answers, is one, and is not far behind."""
    if ALIAS not in connections:
        return
    copy = connections[ALIAS]
    try:
        copy.ensure_connection()
        if copy.vendor != "postgresql":
            yield ok("replica", "It answers.")
            return
        with copy.cursor() as cursor:
            cursor.execute(_LAG)
            recovering, behind, caught_up = cursor.fetchone()
    except DatabaseError as error:
        yield problem(
            "replica",
            f"It does not answer ({type(error).__name__}): lists are read from the database.",
            "Start it, or correct or unset HUB_READ_DATABASE_URL.",
        )
        return
    if not recovering:
        yield advice(
            "replica",
            "HUB_READ_DATABASE_URL names a database that is no standby: its lists may be of another time.",
            "Name a streaming replica of HUB_DATABASE_URL, or unset it.",
        )
    elif not caught_up and behind > GREAT_LAG:
        yield advice(
            "replica", f"It is {behind:.0f} s behind.", "Look at its disk and network, or unset the setting."
        )
    else:
        yield ok("replica", "It answers and keeps up.")


def encryption_on_the_way() -> Iterator[Finding]:
    """Whether what leaves this machine for database, broker and Redis is encrypted."""
    plain = [
        name
        for name, url, secure in (
            ("HUB_BROKER_URL", settings.HUB.broker_url, ("rediss", "amqps")),
            ("HUB_REDIS_URL", settings.HUB.redis_url, ("rediss",)),
        )
        if _is_elsewhere(urlsplit(url).hostname) and urlsplit(url).scheme not in secure
    ]
    if connection.vendor == "postgresql" and _is_elsewhere(connection.settings_dict["HOST"]):
        with connection.cursor() as cursor:
            cursor.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            if not (cursor.fetchone() or (False,))[0]:
                plain.append("HUB_DATABASE_URL")
    if plain:
        yield advice(
            "TLS",
            f"{', '.join(plain)}: what is sent there can be read on the way.",
            "On a network that others use too, choose rediss://, amqps:// and ?sslmode=verify-full.",
        )
    else:
        yield ok("TLS", "Nothing leaves this machine in the clear for database, broker or Redis.")


def _is_elsewhere(host: str | None) -> bool:
    return (host or "") not in _LOCAL and not (host or "").startswith("/")
