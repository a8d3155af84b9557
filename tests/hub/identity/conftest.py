"""People who sign in: codes of an authenticator app, and forgetting what was counted."""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value
from django.core.cache import cache
from django.test import Client

from hub.accounts.models import Membership
from hub.lib import throttle
from tests import factories as make

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    cache.clear()
    throttle.forget()
    yield
    cache.clear()
    throttle.forget()


@pytest.fixture
def member(db: None) -> Membership:
    """An admin who has a password only."""
    return make.MembershipFactory(user__is_staff=False)


@pytest.fixture
def guarded(member: Membership) -> Membership:
    """An admin with an authenticator app and recovery codes."""
    TOTP.activate(member.user, SECRET)
    RecoveryCodes.activate(member.user)
    return member


@pytest.fixture
def sign_in() -> Callable[..., Any]:
    """Send the sign-in form; return the browser and its answer."""

    def send(name: str, password: str = "password", **extra: Any) -> tuple[Client, Any]:
        client = Client(**extra)
        return client, client.post("/admin/login/", {"username": name, "password": password})

    return send


def code_now(secret: str = SECRET) -> str:
    """What an authenticator app shows."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))


def recovery_codes(member: Membership) -> list[str]:
    """The codes of somebody's sheet of paper."""
    row = Authenticator.objects.get(user=member.user, type=Authenticator.Type.RECOVERY_CODES)
    return list(row.wrap().get_unused_codes())


def link_in(text: str) -> str:
    """The path of the invitation's link on a page."""
    found = re.search(r"/account/invitation/[\w-]{43}/", text)
    assert found is not None
    return found[0]


def opened(row: Authenticator) -> str:
    """The secret behind an authenticator's row."""
    return str(get_adapter().decrypt(row.data["secret"]))
