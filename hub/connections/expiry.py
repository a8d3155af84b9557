"""When credentials end: known from sign-ins, from the provider's rule or from an admin; warned of in time."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from hub.accounts.models import Organization
from hub.connections.models import Credential, Integration
from hub.connections.signals import credential_expiring

#: Days before the end at which somebody is told, once each; 0: it has ended.
WARN_DAYS = (30, 7, 1, 0)
#: Who says when it ends, in words.
SAID_BY = {
    "sign-in": "the provider, at the sign-in",
    "provider": "the provider's rule for such secrets",
    "admin": "entered by an admin",
}


@dataclass(frozen=True, slots=True)
class Expiry:
    """The end of one integration's credential. ``days``: whole days left, below 0 where it has ended."""

    integration: Integration
    at: datetime
    said_by: str
    days: int

    @property
    def tone(self) -> str:
        """How urgent it is: bad within a day, warn within 30, else mute."""
        return "bad" if self.days < 1 else "warn" if self.days <= WARN_DAYS[0] else "mute"

    @property
    def words(self) -> str:
        """``ends in 6 days`` and the like."""
        if self.at <= timezone.now():
            return "has ended"
        return (
            "ends within a day"
            if self.days < 1
            else f"ends in {self.days} day{'' if self.days == 1 else 's'}"
        )


def note_expiry(credential: Credential) -> None:
    """Work out the end of ``credential`` anew from what it holds; the caller saves."""
    tokens = credential.tokens or {}
    at = tokens.get("refresh_expires_at")
    if (
        at is None
        and tokens.get("access_token")
        and _signed_in(credential)
        and not tokens.get("refresh_token")
    ):
        # Nothing renews it: when the access token ends, somebody must sign in again.
        at = tokens.get("expires_at")
    credential.note_expiry(datetime.fromtimestamp(at, UTC) if at is not None else None)


def enter_expiry(integration: Integration, day: date | None) -> None:
    """Keep what an admin knows: the last day of the credential, or None for nothing known."""
    credential, _ = Credential.objects.get_or_create(integration=integration)
    credential.entered_expiry = _end_of(day) if day else None
    note_expiry(credential)
    credential.save(update_fields=["entered_expiry", "expires_at", "expires_by", "warned_days"])


def expiries(organizations: Iterable[Organization], within: timedelta | None = None) -> list[Expiry]:
    """Return the known ends in ``organizations``, the nearest first; of ``within`` from now, if given."""
    rows = Credential.objects.filter(integration__organization__in=organizations, expires_at__isnull=False)
    if within is not None:
        rows = rows.filter(expires_at__lte=timezone.now() + within)
    # No secret is loaded: these three columns only.
    found = rows.order_by("expires_at").values_list("integration_id", "expires_at", "expires_by")
    known = Integration.objects.select_related("organization").in_bulk([pk for pk, _, _ in found])
    return [
        Expiry(known[pk], at, SAID_BY.get(by, by), _days(at))
        for pk, at, by in found
        if at is not None and pk in known
    ]


def warn_expiring() -> int:
    """Tell of every credential that came within a further step of ``WARN_DAYS``; return how many."""
    now, told = timezone.now(), 0
    near = Q(expires_at__lte=now + timedelta(days=WARN_DAYS[0]))
    rows = Credential.objects.filter(near).values_list("pk", "integration_id", "expires_at", "warned_days")
    for pk, integration_id, at, warned in rows:
        if at is None:
            continue
        step = min(days for days in WARN_DAYS if at <= now + timedelta(days=days))
        if warned is not None and warned <= step:
            continue
        # The column decides which of two processes tells.
        mine = Credential.objects.filter(pk=pk, expires_at=at, warned_days=warned).update(warned_days=step)
        if mine:
            _tell(Integration.objects.get(pk=integration_id), at, step)
            told += 1
    return told


def _tell(integration: Integration, at: datetime, step: int) -> None:
    ends = timezone.localtime(at).date()
    day = f"{ends:%-d %B %Y}"
    if step == 0:
        message = f"The credential has ended on {day}: deliveries wait or fail until it is renewed."
    else:
        message = f"The credential ends on {day}, within {step} day{'' if step == 1 else 's'}."
    credential_expiring.send(Integration, integration=integration, days=step, ends=ends, message=message)


def _signed_in(credential: Credential) -> bool:
    try:
        scheme = credential.integration.provider.scheme(credential.integration.auth_key)
    except KeyError:
        return False
    return scheme.token is not None and scheme.token.grant == "code"


def _end_of(day: date) -> datetime:
    following = datetime(day.year, day.month, day.day) + timedelta(days=1)
    return timezone.make_aware(following) - timedelta(seconds=1)


def _days(at: datetime) -> int:
    return (at - timezone.now()).days
