"""Who calls the API: an application, by its key, or a person, by a token. No browser's session counts."""

import hashlib
import ipaddress
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.db.models import Q
from django.db.models.signals import post_delete, post_save
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied, Throttled
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from hub.accounts.models import APIKey, Organization
from hub.api.people import Person, sent_person
from hub.audit.actors import Actor, begin_acting
from hub.lib.inbound import address_in, source_group
from hub.lib.throttle import take

if TYPE_CHECKING:  # rest_framework.views loads this module
    from rest_framework.views import APIView

#: Seconds that a key is remembered: a revoked one is refused after that at the latest.
REMEMBER = 4.0
#: ``last_used_at`` is written at most this often per key.
TOUCH_EVERY = timedelta(minutes=1)
CHALLENGE = 'Bearer realm="Interchange"'
#: Calls with a key or token that is not good, which one address may make in a minute.
MOST_REFUSED = 60


@dataclass(frozen=True, slots=True)
class Caller:
    """The application behind an API key; what ``request.user`` is in the API."""

    key: APIKey

    @property
    def organization(self) -> Organization:
        """The one organization that the key sees."""
        return self.key.organization

    @property
    def is_authenticated(self) -> bool:
        """A caller is only made of a valid key."""
        return True

    @property
    def pk(self) -> int:
        """The key's row."""
        return self.key.pk


class _Memory:
    """Valid keys by the hash of their text, for ``REMEMBER`` seconds."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[float, APIKey]] = {}
        self._lock = threading.Lock()

    def find(self, text: str) -> APIKey | None:
        """Return the valid key that ``text`` is; one query, or none where it was asked just now."""
        digest = hashlib.sha256(text.encode()).hexdigest()
        held = self._held.get(digest)
        if held and held[0] > time.monotonic():
            return held[1] if held[1].is_valid() else None
        key = APIKey.find(text)
        with self._lock:
            if len(self._held) > 1000:
                self._held.clear()
            if key is None:
                self._held.pop(digest, None)
            else:
                self._held[digest] = (time.monotonic() + REMEMBER, key)
        return key

    def clear(self, **kwargs: Any) -> None:
        """Forget all: a key was changed in this process."""
        with self._lock:
            self._held.clear()


keys = _Memory()
post_save.connect(keys.clear, sender=APIKey, dispatch_uid="api-keys-saved")
post_delete.connect(keys.clear, sender=APIKey, dispatch_uid="api-keys-deleted")
# A key brings its organization along, with its quotas.
post_save.connect(keys.clear, sender=Organization, dispatch_uid="api-keys-organization")


class APIKeyAuthentication(BaseAuthentication):
    """``Authorization: Bearer ick_…`` or ``X-API-Key: ick_…``; or a person's access token as bearer."""

    def authenticate(self, request: Request) -> tuple[Caller | Person, APIKey | Person] | None:
        """Return the caller, or None where no key was sent; raise AuthenticationFailed for a bad one."""
        key = sent_key(request.META)
        if key is None:
            return None
        actor = _actor(key, request)
        begin_acting(lambda: actor)
        return (Caller(key) if isinstance(key, APIKey) else key, key)

    def authenticate_header(self, request: Request) -> str:
        """What a 401 asks for."""
        return CHALLENGE


class HasScope(BasePermission):
    """The key has the scope that the view names in ``required_scope`` (one, or one per method)."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Whether the call may go on; raise PermissionDenied naming the scope that is missing."""
        if not isinstance(request.auth, APIKey | Person):
            return False
        if request.method not in view.allowed_methods:
            return True  # answered with 405
        needed = getattr(view, "required_scope", None)
        if isinstance(needed, Mapping):
            needed = needed.get("GET" if request.method == "HEAD" else request.method)
        if not needed:
            return False
        demand(request.auth, needed)
        return True


def sent_key(meta: Mapping[str, Any]) -> APIKey | Person | None:
    """Return the key or person that a request brings, or None for none.

    Raise AuthenticationFailed for what is not good, Throttled for an address that sends too much of it,
    PermissionDenied for a key from an address it may not be used from.
    """
    text = key_text(meta)
    if not text:
        return None
    if not text.startswith("ick_") and text.count(".") == 2:
        return _person(meta, text)
    key = keys.find(text)
    if key is None:
        _count_refusal(meta)
        raise AuthenticationFailed("The API key is unknown, revoked or expired.")
    if key.allowed_networks:
        _check_network(key, meta)
    _touch(key)
    return key


def demand(key: APIKey | Person, scope: str) -> None:
    """Raise PermissionDenied, naming the scope, unless the key or the person's role has it."""
    if not key.allows(scope):
        if isinstance(key, Person):
            raise PermissionDenied(key.lacks(scope))
        raise PermissionDenied(f"This API key does not have the scope {scope}.")


def _person(meta: Mapping[str, Any], text: str) -> Person:
    try:
        return sent_person(meta, text)
    except AuthenticationFailed:
        _count_refusal(meta)
        raise


def _check_network(key: APIKey, meta: Mapping[str, Any]) -> None:
    address = address_in(meta)
    if not any(
        ipaddress.ip_address(address) in _network(each) for each in key.allowed_networks or [] if address
    ):
        raise PermissionDenied(
            f"This API key may not be used from {address or 'an unknown address'}. "
            "An admin can change its networks under People, API keys."
        )


@lru_cache(maxsize=1000)
def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(text, strict=False)


def _count_refusal(meta: Mapping[str, Any]) -> None:
    if wait := take("api-refused", MOST_REFUSED, source_group(address_in(meta))):
        raise Throttled(wait)


def _actor(key: APIKey | Person, request: Request) -> Actor:
    """Return on whose behalf the call changes things."""
    user = key.user if isinstance(key, Person) else None
    return Actor(
        name=user.get_username() if user else f"API key {key}",
        user=user,
        address=address_in(request.META),
        request_id=request.META.get("hub.request_id", ""),
    )


def key_text(meta: Mapping[str, Any]) -> str:
    """Return the text of the key that a request brings, or an empty one; ``meta``: the request's META."""
    scheme, _, value = meta.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return str(value).strip()
    return str(meta.get("HTTP_X_API_KEY", "")).strip()


def _touch(key: APIKey) -> None:
    now = timezone.now()
    stale = now - TOUCH_EVERY
    if key.last_used_at is None or key.last_used_at < stale:
        key.last_used_at = now
        unused = Q(last_used_at__isnull=True) | Q(last_used_at__lt=stale)
        APIKey.objects.filter(unused, pk=key.pk).update(last_used_at=now)
