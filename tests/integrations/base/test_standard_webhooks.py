"""Standard Webhooks, against the specification's vectors and the reference implementation."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from integrations.base import standard_webhooks as sw
from integrations.base.webhooks import Refused

# The vectors of the specification's reference tests.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PRIVATE = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
ID, STAMP, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
V1 = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
V1A = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
NOW = datetime.fromtimestamp(STAMP, UTC)


def headers(signature: str, stamp: str = str(STAMP), prefix: str = "webhook") -> dict[str, str]:
    return {f"{prefix}-id": ID, f"{prefix}-timestamp": stamp, f"{prefix}-signature": signature}


def test_published_vectors() -> None:
    assert sw.sign(ID, STAMP, BODY, [SECRET, PRIVATE])["webhook-signature"] == f"{V1} {V1A}"
    assert sw.public_key(PRIVATE) == PUBLIC
    sw.verify(headers(V1), BODY, [SECRET], NOW)
    sw.verify(headers(V1A), BODY, [PUBLIC], NOW)


@pytest.mark.parametrize("prefix", ["webhook", "svix"])
def test_both_names_of_the_headers(prefix: str) -> None:
    sw.verify(headers(V1, prefix=prefix), BODY, [SECRET], NOW)


def test_the_reference_implementation_agrees_both_ways() -> None:
    secret, now = sw.new_secret(), datetime.now(UTC)
    ours = sw.sign("msg_1", int(now.timestamp()), BODY, [secret])
    assert Webhook(secret).verify(BODY, ours) == {"test": 2432232314}
    theirs = headers(Webhook(secret).sign(ID, now, BODY.decode()), str(int(now.timestamp())))
    sw.verify(theirs, BODY, [secret], now)


@pytest.mark.parametrize("key", ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBr"])
def test_padding_and_prefix_of_a_secret_may_be_missing(key: str) -> None:
    signature = sw.sign(ID, STAMP, BODY, [key])["webhook-signature"]
    assert signature == Webhook(key).sign(ID, NOW, BODY.decode())


def test_a_list_needs_one_right_entry() -> None:
    right = V1
    wrong = "v1," + base64.b64encode(b"x" * 32).decode()
    sw.verify(headers(f"{wrong} v2,AAAA nonsense ,,, {right} {wrong}"), BODY, [SECRET], NOW)
    with pytest.raises(Refused, match="No signature fits"):
        sw.verify(headers(f"{wrong} v2,{right[3:]}"), BODY, [SECRET], NOW)
    with pytest.raises(Refused, match="No signature fits"):
        sw.verify(headers(right.replace("1OE=", "1OA=")), BODY, [SECRET], NOW)


def test_either_of_two_keys_proves() -> None:
    sw.verify(headers(V1), BODY, [sw.new_secret(), SECRET], NOW)
    sw.verify(headers(V1A), BODY, [SECRET, PUBLIC], NOW)


@pytest.mark.parametrize("seconds", [301, -301])
def test_times_out_of_tolerance_are_refused(seconds: int) -> None:
    with pytest.raises(Refused, match="seconds"):
        sw.verify(headers(V1), BODY, [SECRET], NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("stamp", ["hello", "-1", "1e9", "٣", " "])
def test_a_malformed_time_is_refused(stamp: str) -> None:
    with pytest.raises(Refused):
        sw.verify(headers(V1, stamp), BODY, [SECRET], NOW)


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_named(missing: str) -> None:
    rest = {name: value for name, value in headers(V1).items() if name != missing}
    with pytest.raises(Refused, match=missing):
        sw.verify(rest, BODY, [SECRET], NOW)


@pytest.mark.parametrize(
    "key", ["", "whsec_", "whsec_***", "whsk_AAAA", PRIVATE[:-3], "whpk_AAAA", "whsk_" + "A" * 86 + "=="]
)
def test_a_key_of_another_form_is_refused(key: str) -> None:
    with pytest.raises(sw.KeyFormError):
        sw.check_key(key)
    with pytest.raises(sw.KeyFormError):
        sw.sign(ID, STAMP, BODY, [key])
    with pytest.raises(Refused):
        sw.verify(headers(f"{V1} {V1A}"), BODY, [key], NOW)


def test_no_key_proves_nothing() -> None:
    with pytest.raises(Refused):
        sw.verify(headers(V1), BODY, [], NOW)


@given(st.text(max_size=100))
def test_no_rubbish_fits_or_crashes(signature: str) -> None:
    with pytest.raises(Refused):
        sw.verify(headers(signature), BODY, [SECRET, PUBLIC], NOW)


def test_new_keys_can_be_used() -> None:
    key = sw.new_signing_key()
    signed = sw.sign("msg_1", STAMP, BODY, [key])
    sw.verify(signed, BODY, [sw.public_key(key)], NOW)
    assert sw.new_signing_key(b"seed") == sw.new_signing_key(b"seed") != key
