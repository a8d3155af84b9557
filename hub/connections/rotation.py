"""Changing the encryption key while the hub runs: what is encrypted with which key, and re-encryption.

Each ciphertext is replaced by one statement that only holds where it still is what was read, so that
nothing anybody saves meanwhile is overwritten, and nobody waits. What the row says stays the same: its
version does not change, and open copies of it stay good. An interrupted run goes on where it stopped,
because what is left to do is read from the database.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db.models import Count, Model, QuerySet
from django.db.models.functions import Substr

from hub.lib.fields import EncryptedJSONField, Sealed
from hub.lib.keyring import Keyring, KeyringError, keyring

#: A token is ``v1.<8 hex digits>.…``
ID_AT, ID_LENGTH = 4, 8
#: Rows that are read at once.
BATCH = 100
#: Times a column is gone through again because somebody saved rows of it meanwhile.
PASSES = 10


@dataclass(frozen=True, slots=True)
class Place:
    """One encrypted column."""

    model: type[Model]
    field: EncryptedJSONField

    def __str__(self) -> str:
        return f"{self.model._meta.label}.{self.field.name}"

    @property
    def words(self) -> str:
        """What it holds, for people who do not know the tables."""
        return str(self.field.verbose_name)

    def sealed(self) -> QuerySet[Any]:
        """Return the rows that hold a ciphertext here, each with its ``key_id``."""
        rows = self.model._base_manager.filter(**{f"{self.field.name}__isnull": False})
        return rows.annotate(key_id=Substr(self.field.name, ID_AT, ID_LENGTH)).order_by("pk")


@dataclass(frozen=True, slots=True)
class KeyUse:
    """How many ciphertexts one key holds, by column."""

    key_id: str
    #: Whether HUB_ENCRYPTION_KEYS has it, and has it first.
    known: bool
    first: bool
    places: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Ciphertexts of this key."""
        return sum(self.places.values())

    @property
    def removable(self) -> bool:
        """Whether the key may leave HUB_ENCRYPTION_KEYS: nothing in the database needs it."""
        return self.known and not self.first and not self.total

    @property
    def lost(self) -> bool:
        """Whether the operator said that it is gone for good."""
        return self.key_id in settings.HUB.lost_keys

    @property
    def sentence(self) -> str:
        """Return what is to be said of it."""
        if self.lost:
            return "declared lost: what it encrypted must be entered again"
        if not self.known:
            return "missing: put it back behind the others, or what it encrypted cannot be read"
        if self.first:
            return "the first: encrypts everything that is saved"
        return "nothing uses it: it may be removed" if self.removable else "still needed: re-encrypt first"


@dataclass(frozen=True, slots=True)
class Progress:
    """What was done to one column so far, in rows."""

    place: str
    renewed: int = 0
    #: Saved by somebody else meanwhile, who was left alone.
    overtaken: int = 0
    #: Cannot be opened: its key is missing, or it was changed by hand.
    unreadable: int = 0


def places() -> list[Place]:
    """Return every encrypted column of every table of the hub."""
    return [
        Place(model, each)
        for model in apps.get_models()
        if model._meta.managed and not model._meta.proxy
        for each in model._meta.local_fields
        if isinstance(each, EncryptedJSONField)
    ]


def key_uses() -> list[KeyUse]:
    """Count the ciphertexts of each key, the keys of the settings first, in their order.

    Raise KeyringError where a key of the settings is none.
    """
    known = keyring().ids if settings.HUB.encryption_keys else []
    counted = counts_by_key()
    ids = [*known, *sorted(set(counted) - set(known))]
    return [KeyUse(each, each in known, each in known[:1], counted.get(each, {})) for each in ids]


def counts_by_key() -> dict[str, dict[str, int]]:
    """Return {key id: {column: ciphertexts}}; needs no key."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for place in places():
        rows = place.sealed().order_by().values_list("key_id").annotate(number=Count("pk"))
        for key_id, number in rows:
            found[str(key_id)][str(place)] = number
    return dict(found)


def remaining() -> int:
    """How many ciphertexts another key than the first still holds."""
    return sum(use.total for use in key_uses() if not use.first)


def rotate(batch: int = BATCH) -> Iterator[Progress]:
    """Re-encrypt everything with the first key; yield after every batch and at the end of a column.

    May be stopped between any two and started again. Raise KeyringError where there is no key.
    """
    ring = keyring()
    for place in places():
        yield from _rotate_place(place, ring, batch)


def unopenable() -> list[str]:
    """Open every ciphertext; return where that fails, as ``table.column id``."""
    ring = keyring()
    wrong = []
    for place in places():
        for row in place.sealed().only("pk", place.field.name).iterator(BATCH):
            try:
                ring.decrypt(_token(place, row), place.field.context(row))
            except KeyringError:
                wrong.append(f"{place} {row.pk}")
    return wrong


def _rotate_place(place: Place, ring: Keyring, batch: int) -> Iterator[Progress]:
    progress = Progress(str(place))
    for _ in range(PASSES):
        before, progress = progress.overtaken, replace(progress, unreadable=0)
        for rows in _batches(place, ring, batch):
            for row in rows:
                progress = _count(progress, _renew(place, ring, row))
            yield progress
        if progress.overtaken == before:
            return


def _batches(place: Place, ring: Keyring, batch: int) -> Iterator[list[Model]]:
    """Go once through the rows of other keys, by primary key; no transaction spans two of them."""
    last: Any = None
    while True:
        rows = place.sealed().exclude(key_id=ring.primary_id).only("pk", place.field.name)
        found = list((rows.filter(pk__gt=last) if last is not None else rows)[:batch])
        if not found:
            return
        yield found
        last = found[-1].pk


def _renew(place: Place, ring: Keyring, row: Model) -> str:
    """Replace one ciphertext; return what came of it: the name of a number of ``Progress``."""
    old, context = _token(place, row), place.field.context(row)
    try:
        plain = ring.decrypt(old, context)
        new = ring.encrypt(plain, context)
        if ring.decrypt(new, context) != plain:
            raise KeyringError("The new ciphertext does not open to the same.")
    except KeyringError:
        return "unreadable"
    # Only the column itself, and only if it is what was read: a lease, a version or a newer token stays.
    unchanged = place.model._base_manager.filter(pk=row.pk, **{place.field.name: Sealed(old)})
    return "renewed" if unchanged.update(**{place.field.name: Sealed(new)}) else "overtaken"


def _count(progress: Progress, outcome: str) -> Progress:
    return replace(progress, **{outcome: getattr(progress, outcome) + 1})


def _token(place: Place, row: Model) -> str:
    """Return the ciphertext as it stands in the row, unopened."""
    return str(row.__dict__[place.field.attname])
