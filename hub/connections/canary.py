"""Whether the encryption keys fit the data, asked before anything starts."""

from django.apps import apps
from django.conf import settings
from django.db.models.functions import Substr

from hub.connections.models import KeyCanary
from hub.lib.fields import EncryptedJSONField
from hub.lib.keyring import KeyringError, keyring

SONG = "This hub's data was encrypted with this key."
#: A token is ``v1.<8 hex digits>.…``
_ID_AT, _ID_LENGTH = 4, 8


def check_keys() -> None:
    """Raise KeyringError, with a sentence that says what to do, unless every ciphertext has its key.

    The first run with a key leaves a canary behind. Needs a migrated database.
    """
    used = _key_ids_in_use()
    if not settings.HUB.encryption_keys:
        raise KeyringError(_missing(used))
    ring = keyring()
    foreign = sorted(used - set(ring.ids))
    if foreign:
        raise KeyringError(
            "The encryption key does not fit this database: data was encrypted with key "
            f"{', '.join(foreign)}, but HUB_ENCRYPTION_KEYS (or the file encryption.key) holds "
            f"{', '.join(ring.ids)}. Put the former key back; several keys may stand there, with commas."
        )
    canary, _ = KeyCanary.objects.get_or_create(pk=1, defaults={"song": SONG})
    if canary.song != SONG:
        raise KeyringError("The canary in the database does not sing: its row was changed by hand.")


def _missing(used: set[str]) -> str:
    if used:
        return (
            "There is no encryption key, but this database holds data encrypted with key "
            f"{', '.join(sorted(used))}. Put back the file encryption.key of the hub's folder, or set "
            "HUB_ENCRYPTION_KEYS, from your backup; without it the credentials cannot be read."
        )
    return (
        "There is no encryption key. Run 'python manage.py newkey' and set HUB_ENCRYPTION_KEYS "
        "to what it prints."
    )


def _key_ids_in_use() -> set[str]:
    """Return the ids of all keys with which anything in the database is encrypted."""
    found: set[str] = set()
    for model in apps.get_models():
        for field in model._meta.local_fields:
            if isinstance(field, EncryptedJSONField):
                rows = model._base_manager.filter(**{f"{field.name}__isnull": False})
                ids = rows.annotate(key_id=Substr(field.name, _ID_AT, _ID_LENGTH)).values_list(
                    "key_id", flat=True
                )
                found.update(str(each) for each in ids.distinct().order_by("key_id"))
    return found
