"""Too many wrong passwords: django-axes counts them per name and address; here it is said and undone."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from axes.models import AccessAttempt
from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateformat import format as format_date

from hub.identity.options import LOCKED_FOR, TRIES
from hub.lib.html import ago
from hub.lib.inbound import client_address


def name_of(request: HttpRequest, credentials: Mapping[str, Any] | None) -> str:
    """Return the name that tries are counted by: as typed, in small letters."""
    given = credentials or {}
    name = given.get("username") or given.get("email") or request.POST.get("username") or ""
    return str(name).strip().lower()[:255]


def address_of(request: HttpRequest) -> str | None:
    """Return the address that tries are counted by; a trusted proxy is believed."""
    return client_address(request) or None


def locked() -> QuerySet[AccessAttempt]:
    """Return the names and addresses that have to wait now, the latest first."""
    since = timezone.now() - LOCKED_FOR
    rows = AccessAttempt.objects.filter(failures_since_start__gte=TRIES, attempt_time__gt=since)
    return rows.order_by("-attempt_time")


def of_user(user: AbstractBaseUser) -> QuerySet[AccessAttempt]:
    """Return what is counted against a user's names, from any address."""
    names = {str(getattr(user, name, "") or "").lower() for name in ("username", "email")} - {""}
    return AccessAttempt.objects.filter(username__in=names)


def is_locked(user: AbstractBaseUser) -> bool:
    """Whether somebody may not sign in as ``user`` just now, from one address at least."""
    return (locked() & of_user(user)).exists()


def unlock(user: AbstractBaseUser) -> int:
    """Forget the wrong passwords for ``user``; return how many names and addresses were counted."""
    return int(of_user(user).delete()[0])


def until(request: HttpRequest, name: str) -> datetime:
    """Return when ``name`` may be tried again from the request's address."""
    found = locked().filter(Q(username=name.strip().lower()), ip_address=address_of(request)).first()
    return (found.attempt_time if found else timezone.now()) + LOCKED_FOR


def sentence(request: HttpRequest, name: str) -> str:
    """Return what somebody is told who has to wait."""
    moment = until(request, name)
    clock = format_date(timezone.localtime(moment), "H:i T")
    return (
        f"Too many wrong passwords for this name from your address. Try again {ago(moment)} (at {clock}), "
        "or ask an admin of your organization to unlock you."
    )
