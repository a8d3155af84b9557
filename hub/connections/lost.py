"""A key that is lost for good (HUB_LOST_KEYS): the hub goes on, and asks for what can no longer be read.

The ciphertexts stay where they are until something new is entered, so that a key which is found after all
opens them again. Nothing is sent without the credential it needs: the integrations are held.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Q, QuerySet
from django.db.models.functions import Substr

from hub.connections.models import Credential, Integration, Status
from hub.connections.rotation import ID_AT, ID_LENGTH, counts_by_key
from hub.connections.signals import changed_by_hand

REASON = "The key that encrypted its credential is lost: enter the credential again."


@dataclass(frozen=True, slots=True)
class Loss:
    """What lost keys still hold. ``places``: column → ciphertexts that nobody can open."""

    keys: tuple[str, ...]
    places: dict[str, int]

    @property
    def total(self) -> int:
        """Ciphertexts that nobody can open."""
        return sum(self.places.values())

    @property
    def sentence(self) -> str:
        """Return what is to be said of it."""
        named = f"The encryption key {', '.join(self.keys)} is declared lost (HUB_LOST_KEYS)"
        if not self.total:
            return f"{named}, and nothing needs it any more: remove HUB_LOST_KEYS."
        count = f"{self.total} value{'' if self.total == 1 else 's'}"
        return (
            f"{named}: {count} cannot be read. Events are accepted and queues are kept; what needs a "
            "credential waits until it is entered again."
        )


def loss() -> Loss | None:
    """Return what is lost; None where no key is declared so."""
    lost = settings.HUB.lost_keys
    if not lost:
        return None
    places: dict[str, int] = {}
    for key_id, counted in counts_by_key().items():
        for place, number in counted.items() if key_id in lost else ():
            places[place] = places.get(place, 0) + number
    return Loss(tuple(lost), places)


def declaration_problem(known: Iterable[str]) -> str:
    """Return a sentence where HUB_LOST_KEYS cannot be meant so; ``known``: ids of keys that are there."""
    for each in settings.HUB.lost_keys:
        if each in set(known):
            return (
                f"HUB_LOST_KEYS declares key {each} lost, but HUB_ENCRYPTION_KEYS holds it: nothing is lost. "
                "Remove it from HUB_LOST_KEYS."
            )
    return ""


def affected() -> QuerySet[Integration]:
    """Return the integrations whose credential nobody can open any more."""
    lost = settings.HUB.lost_keys
    rows = Credential.objects.annotate(
        secrets_key=Substr("secrets", ID_AT, ID_LENGTH), tokens_key=Substr("tokens", ID_AT, ID_LENGTH)
    )
    credentials = rows.filter(Q(secrets_key__in=lost) | Q(tokens_key__in=lost))
    return Integration.objects.filter(pk__in=credentials.values("integration_id"))


def hold() -> int:
    """Hold every integration whose credential is lost until it is connected again; return how many.

    Those that somebody paused stay paused; they are held when somebody resumes them.
    """
    if not settings.HUB.lost_keys:
        return 0
    held = 0
    stopped = Q(status=Status.ACTIVE) | Q(status=Status.PAUSED, status_reason__startswith=REASON)
    for integration in affected().filter(stopped):
        integration.hold_for_reconnect(REASON)
        changed_by_hand.send(Integration, integration=integration, message=f"Held: {REASON}")
        held += 1
    return held
