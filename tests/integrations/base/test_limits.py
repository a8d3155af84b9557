"""What answers tell of limits, by the headers that providers declare."""

import time
from email.utils import formatdate

import pytest

from hub.lib.outbound import Policy, Response
from hub.lib.redaction import Redactor
from integrations.base.errors import RateLimited
from integrations.base.http import Http
from integrations.base.limits import LimitHeaders, Reset, told_wait
from integrations.base.provider import Provider
from integrations.base.registry import providers

NOW = 1_800_000_000.0
LEFT, RESET = "X-Left", "X-Reset"


def wait(form: Reset, reset: str, *, left: str | None = "0", refused: bool = False) -> float:
    headers = {"x-reset": reset} | ({} if left is None else {"x-left": left})
    return LimitHeaders(LEFT, RESET, form).wait(headers, refused=refused, now=NOW)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (Reset.SECONDS, "30"),
        (Reset.MILLISECONDS, "30000"),
        (Reset.UNIX, "1800000030"),
        (Reset.NUMBER, "30"),
        (Reset.NUMBER, "1800000030"),
        (Reset.DATE, formatdate(NOW + 30, usegmt=True)),
        (Reset.DATE, "2027-01-15T08:00:30Z"),
    ],
)
def test_each_way_of_writing_a_reset_is_read(form: Reset, text: str):
    assert wait(form, text) == pytest.approx(30, abs=0.01)


@pytest.mark.parametrize("text", ["", "soon", "-5", "1e9", "9" * 40, "2027-13-45", "\u0663"])
@pytest.mark.parametrize("form", list(Reset))
def test_what_is_no_time_asks_for_no_wait(form: Reset, text: str):
    assert wait(form, text) == 0


def test_a_reset_that_has_passed_asks_for_no_wait():
    assert wait(Reset.UNIX, "1700000000") == 0


def test_what_is_left_decides_and_only_a_refusal_may_leave_it_out():
    assert wait(Reset.SECONDS, "30", left="1") == 0
    assert wait(Reset.SECONDS, "30", left="1", refused=True) == 0
    assert wait(Reset.SECONDS, "30", left=None) == 0
    assert wait(Reset.SECONDS, "30", left=None, refused=True) == 30
    assert wait(Reset.SECONDS, "30", left="none", refused=False) == 0


def test_of_several_limits_the_longest_wait_counts():
    declared = (LimitHeaders("a-left", "a-reset"), LimitHeaders("b-left", "b-reset"))
    headers = {"a-left": "0", "a-reset": "5", "b-left": "0", "b-reset": "60"}
    assert told_wait(declared, 200, headers) == 60
    assert told_wait(declared, 200, headers | {"b-left": "3"}) == 5


DECLARING = [each for each in providers().values() if each.limit_headers]


def test_those_who_tell_by_headers_of_their_own_declare_them():
    assert {"http", "hubspot", "pagerduty", "sendgrid"} <= {each.slug for each in DECLARING}


@pytest.mark.parametrize("provider", DECLARING, ids=lambda each: each.slug)
@pytest.mark.parametrize("at", [0, -1])
def test_declared_headers_are_obeyed_after_a_success_and_after_a_refusal(provider: Provider, at: int):
    declared = provider.limit_headers[at]
    reset = {
        Reset.SECONDS: "40",
        Reset.NUMBER: "40",
        Reset.MILLISECONDS: "40000",
        Reset.UNIX: str(int(time.time()) + 40),
        Reset.DATE: formatdate(time.time() + 40, usegmt=True),
    }[declared.form]
    told = {declared.remaining.lower(): "0", declared.reset.lower(): reset}
    statuses = iter([200, 429])
    http = Http(
        base_urls={"default": "http://provider.test"},
        authorize=lambda outgoing: None,
        classify=provider.classify,
        policy=Policy(),
        redactor=Redactor(()),
        transport=lambda outgoing, policy: Response(next(statuses), told, b"{}", outgoing.url),
        limit_headers=provider.limit_headers,
    )

    http.get("/")
    assert 38 < http.wait <= 40

    with pytest.raises(RateLimited) as refusal:
        http.get("/")
    assert refusal.value.retry_after is not None
    if provider.slug != "hubspot":  # its refusals name the limit, whose window counts
        assert 38 < refusal.value.retry_after <= 40
