"""The keys that an operator sets, or that the supervisor left in the hub's folder. Needs no settings."""

from collections.abc import Iterable
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def encryption_keys(home: Path, given: Iterable[str]) -> tuple[str, ...]:
    """Return the keys of HUB_ENCRYPTION_KEYS, else those of the file ``encryption.key``."""
    keys = tuple(key.strip() for key in given if key.strip())
    key_file = home / "encryption.key"
    if keys or not key_file.exists():
        return keys
    return tuple(key_file.read_text().split())


def secret_key(home: Path, given: str, debug: bool) -> str:
    """Return HUB_SECRET_KEY, else the file ``secret.key``; raise ImproperlyConfigured for neither."""
    key_file = home / "secret.key"
    key = given or (key_file.read_text().strip() if key_file.exists() else "")
    if not key and not debug:
        raise ImproperlyConfigured("HUB_SECRET_KEY is not set; 'make run' makes one, production must set it.")
    return key or "only-for-development"
