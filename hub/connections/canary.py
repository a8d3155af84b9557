"""Whether the encryption keys fit the data, asked before anything starts."""

from collections.abc import Sequence

from django.conf import settings
from django.db.models.functions import Substr

from hub.connections.lost import declaration_problem
from hub.connections.models import KeyCanary
from hub.connections.rotation import ID_AT, ID_LENGTH, counts_by_key
from hub.lib.keyring import KeyringError, keyring

SONG = "This hub's data was encrypted with this key."


def check_keys() -> None:
    """Raise KeyringError, with a sentence that says what to do, unless every ciphertext has its key.

    Keys of HUB_LOST_KEYS need not be there; that variable is the only way to start without them. The
    first run with a key leaves a canary behind. Needs a migrated database.
    """
    used = set(counts_by_key())
    if not settings.HUB.encryption_keys:
        raise KeyringError(_missing(used))
    ring = keyring()
    if mistake := declaration_problem(ring.ids):
        raise KeyringError(mistake)
    foreign = sorted(used - set(ring.ids) - set(settings.HUB.lost_keys))
    if foreign:
        raise KeyringError(
            "The encryption key does not fit this database: data was encrypted with key "
            f"{', '.join(foreign)}, but HUB_ENCRYPTION_KEYS (or the file encryption.key) holds "
            f"{', '.join(ring.ids)}. Put the former key back; several keys may stand there, with commas. "
            f"{lost_for_good(foreign)}"
        )
    KeyCanary.objects.annotate(key_id=Substr("song", ID_AT, ID_LENGTH)).filter(
        key_id__in=settings.HUB.lost_keys
    ).delete()
    canary, _ = KeyCanary.objects.get_or_create(pk=1, defaults={"song": SONG})
    if canary.song != SONG:
        raise KeyringError("The canary in the database does not sing: its row was changed by hand.")


def lost_for_good(ids: Sequence[str]) -> str:
    """Say the way out where there is no backup of the key either."""
    return (
        f"Only if it is lost for good: set HUB_LOST_KEYS={','.join(ids)} and start with another key. The hub "
        "then accepts events and keeps its queues, and each integration has to be connected again "
        "(docs/keys.md)."
    )


def _missing(used: set[str]) -> str:
    if used:
        return (
            "There is no encryption key, but this database holds data encrypted with key "
            f"{', '.join(sorted(used))}. Put back the file encryption.key of the hub's folder, or set "
            "HUB_ENCRYPTION_KEYS, from your backup; without it the credentials cannot be read. "
            f"{lost_for_good(sorted(used))}"
        )
    return (
        "There is no encryption key. Run 'python manage.py newkey' and set HUB_ENCRYPTION_KEYS "
        "to what it prints."
    )
