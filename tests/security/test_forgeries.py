"""No call that differs from the one that was signed is ever taken: of every provider, changed at random.

tests/integrations/test_contract.py holds chosen changes; here hypothesis chooses. A change that leaves the
meaning as it was (a space around a header, another spelling of the same base64) is no forgery.
"""

import base64
import binascii
import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from integrations.base.fixtures import webhook_fixtures
from integrations.base.registry import providers
from integrations.base.testing_webhook import NOW, URL, Call, WebhookContract
from integrations.base.webhooks import Incoming, Refused

SIGNING = sorted(slug for slug, provider in providers().items() if provider.webhook)
TRIES = settings(max_examples=60, deadline=None)
each_provider = pytest.mark.parametrize("slug", SIGNING)


@dataclasses.dataclass(frozen=True)
class Signed:
    """One call, rightly signed, and how it is proved."""

    contract: WebhookContract
    call: Call

    @property
    def sealed(self) -> bool:
        """Whether the signature stands in the body, over its meaning and not its bytes."""
        return self.contract.webhook.seal is not None

    def incoming(self, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Incoming:
        """The call, with another body or other headers."""
        return Incoming(
            method=self.contract.fixture.method,
            url=URL,
            headers=self.call.headers if headers is None else headers,
            body=self.call.body if body is None else body,
            received_at=NOW,
            settings=self.contract.settings,
            fetch=self.contract.webhook.sample_fetch or (lambda url: b""),
        )

    def taken(self, incoming: Incoming, secrets: Mapping[str, str] | None = None) -> bool:
        """Whether the call is proved; whatever is no Refused fails the test."""
        try:
            self.contract.webhook.verify(incoming, self.contract.secrets if secrets is None else secrets)
        except Refused:
            return False
        return True

    def refuses_body(self, body: bytes) -> None:
        """Fail where a changed body is taken, or, of a sealed call, tells something else."""
        assume(body != self.call.body)
        changed = self.incoming(body)
        if self.taken(changed):
            assert self.sealed, body
            told = self.contract.webhook.parse
            assert told(changed) == told(self.incoming()), body

    def refuses_headers(self, **changed: str) -> None:
        """Fail where a call is taken whose signed headers do not say any more what they said.

        More may stand beside it: several signatures, of which one proves, are how secrets are changed.
        """
        if self.taken(self.incoming(headers={**self.call.headers, **changed})):
            for name, value in changed.items():
                assert meaning(self.call.headers[name]) <= meaning(value), changed


@cache
def signed(slug: str, number: int = 0) -> Signed:
    """The provider's ``number``-th sample call, signed."""
    provider = providers()[slug]
    fixtures = webhook_fixtures(provider)
    contract = WebhookContract(provider, fixtures[number % len(fixtures)])
    return Signed(contract, contract._call(NOW))


def meaning(value: str) -> set[bytes]:
    """What a header says: its parts, those in base64 as the bytes they stand for."""
    return {_bytes(part) for part in re.split(r"[\s,;]+", value.strip())}


def _bytes(part: str) -> bytes:
    try:
        return base64.b64decode(part, validate=True)
    except (binascii.Error, ValueError):
        return part.encode("utf-8", "surrogatepass")


def flipped(data: st.DataObject, value: bytes) -> bytes:
    """``value`` with one to three bits turned over."""
    changed = bytearray(value)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(value) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    return bytes(changed)


def swapped(data: st.DataObject, value: bytes) -> bytes:
    """``value`` with two neighbouring parts in the other order."""
    first, second, third = sorted(data.draw(st.tuples(*[st.integers(0, len(value))] * 3)))
    return value[:first] + value[second:third] + value[first:second] + value[third:]


CHANGES: dict[str, Callable[[st.DataObject, bytes], bytes]] = {
    "bits": flipped,
    "cut": lambda data, value: value[: data.draw(st.integers(0, len(value) - 1))],
    "cut before": lambda data, value: value[data.draw(st.integers(1, len(value))) :],
    "order": swapped,
    "more": lambda data, value: value + data.draw(st.binary(min_size=1, max_size=40)),
    "other": lambda data, value: data.draw(st.binary(max_size=200)),
}


@each_provider
def test_the_call_itself_is_taken(slug: str) -> None:
    one = signed(slug)
    assert one.taken(one.incoming())
    assert one.call.signed or one.sealed


@each_provider
@pytest.mark.parametrize("change", CHANGES)
@given(data=st.data())
@TRIES
def test_a_changed_body_is_never_taken(slug: str, change: str, data: st.DataObject) -> None:
    one = signed(slug, data.draw(st.integers(0, 3)))
    one.refuses_body(CHANGES[change](data, one.call.body))


@each_provider
@given(data=st.data())
@TRIES
def test_members_in_another_order_are_never_taken(slug: str, data: st.DataObject) -> None:
    one = signed(slug, data.draw(st.integers(0, 3)))
    try:
        held = json.loads(one.call.body)
    except ValueError:  # a form
        one.refuses_body(b"&".join(data.draw(st.permutations(one.call.body.split(b"&")))))
        return
    shuffled: Any = data.draw(st.permutations(list(held.items()) if isinstance(held, dict) else held))
    one.refuses_body(json.dumps(dict(shuffled) if isinstance(held, dict) else shuffled).encode())


@each_provider
@pytest.mark.parametrize("change", CHANGES)
@given(data=st.data())
@TRIES
def test_a_changed_header_is_never_taken(slug: str, change: str, data: st.DataObject) -> None:
    one = signed(slug)
    if not one.call.signed:
        return  # sealed: the signature is part of the body
    name = data.draw(st.sampled_from(one.call.signed))
    value = CHANGES[change](data, one.call.headers[name].encode()).decode("latin-1")
    one.refuses_headers(**{name: value})


@each_provider
@given(data=st.data())
@TRIES
def test_values_in_each_others_headers_are_never_taken(slug: str, data: st.DataObject) -> None:
    one = signed(slug)
    if len(one.call.signed) < 2:
        return  # nothing to exchange
    values = data.draw(st.permutations([one.call.headers[name] for name in one.call.signed]))
    one.refuses_headers(**dict(zip(one.call.signed, values, strict=True)))


@each_provider
@given(data=st.data())
@TRIES
def test_another_secret_never_proves(slug: str, data: st.DataObject) -> None:
    one = signed(slug)
    needed = [field.name for field in one.contract.webhook.fields if field.required]
    name = data.draw(st.sampled_from(needed))
    right = one.contract.secrets[name]
    wrong = data.draw(
        st.one_of(
            st.text(max_size=80),
            st.integers(0, len(right) - 5).map(lambda at: right[:at] + right[at + 1 :]),
            st.integers(0, len(right) - 5).map(
                lambda at: right[:at] + chr(ord(right[at]) ^ 1) + right[at + 1 :]
            ),
        )
    )
    assume("".join(wrong.split()) != "".join(right.split()))
    assert not one.taken(one.incoming(), {**one.contract.secrets, name: wrong}), wrong


@each_provider
def test_the_signature_of_one_call_proves_no_other(slug: str) -> None:
    provider = providers()[slug]
    calls = [signed(slug, number) for number in range(len(webhook_fixtures(provider)))]
    for one in calls:
        for other in calls:
            if one.call.body == other.call.body or one.sealed:
                continue
            headers = {name: one.call.headers[name] for name in one.call.signed}
            assert not other.taken(other.incoming(headers={**other.call.headers, **headers}))
