"""Signing in to several machines at once: tries, limits and used codes count for all of them."""

import random
import time
from collections.abc import Callable, Iterator

import orjson
import pytest
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value
from django.contrib.auth.hashers import PBKDF2PasswordHasher

from hub.api.auth import MOST_TRIES
from hub.identity.options import TRIES
from tests.factories import MembershipFactory, UserFactory
from tests.hub.running import wait_until
from tests.hub.web import Web
from tests.services.workers import REDIS

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True), pytest.mark.timeout(240)]
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
#: A port where no Redis is.
NO_REDIS = "redis://127.0.0.1:1/0"


@pytest.fixture
def machines() -> Iterator[Callable[[str], list[Web]]]:
    """Start two web processes that share a Redis; both believe what X-Forwarded-For says."""
    started: list[Web] = []

    def start(redis: str) -> list[Web]:
        started.extend(Web(HUB_REDIS_URL=redis, HUB_TRUSTED_PROXIES="127.0.0.1") for _ in range(2))
        for web in started:
            wait_until(web.answers, "the web process to answer")
        return started

    yield start
    for web in started:
        web.kill()


@pytest.fixture
def address() -> str:
    """Where the caller is: nobody called from there before."""
    return f"198.51.{random.randrange(100, 200)}.{random.randrange(1, 255)}"


def login(web: Web, address: str, **body: str) -> tuple[int, dict[str, object]]:
    """Call ``/api/auth/login`` from ``address``."""
    return web.connect().post("/api/auth/login", orjson.dumps(body), {"X-Forwarded-For": address})


@pytest.mark.parametrize("redis", [REDIS, NO_REDIS], ids=["redis", "redis away"])
def test_wrong_passwords_lock_out_on_every_machine(
    machines: Callable[[str], list[Web]], address: str, redis: str
) -> None:
    webs = machines(redis)
    name = UserFactory().username
    told = [login(webs[turn % 2], address, username=name, password="wrong")[0] for turn in range(TRIES)]
    assert told == [401] * (TRIES - 1) + [429]
    for web in webs:
        status, answer = login(web, address, username=name, password="password")
        assert status == 429, answer
        assert "ry again" in str(answer["detail"])


def test_calls_of_one_address_are_counted_over_all_machines(
    machines: Callable[[str], list[Web]], address: str
) -> None:
    webs = machines(REDIS)
    told = [
        login(webs[turn % 2], address, username=f"nobody{turn}", password="x")[0]
        for turn in range(MOST_TRIES + 4)
    ]
    assert told == [401] * MOST_TRIES + [429] * 4


def test_a_code_that_one_machine_took_no_other_takes(
    machines: Callable[[str], list[Web]], address: str
) -> None:
    webs = machines(REDIS)
    user = MembershipFactory().user
    # The tests' own quick hasher is none of the machines'.
    user.password = PBKDF2PasswordHasher().encode("password", "salt")
    user.save()
    TOTP.activate(user, SECRET)
    challenges = [
        str(login(web, address, username=user.username, password="password")[1]["challenge"]) for web in webs
    ]
    code = format_hotp_value(hotp_value(SECRET, int(time.time()) // 30))
    told = [
        login(web, address, challenge=challenge, code=code)[0]
        for web, challenge in zip(webs, challenges, strict=True)
    ]
    assert told == [200, 401]
