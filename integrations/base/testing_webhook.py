"""The part of the contract that is about webhooks: what is proved is read, all else is refused."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from integrations.base.fixtures import FixtureError, WebhookFixture, event_matches, webhook_fixtures
from integrations.base.provider import Provider
from integrations.base.samples import sample_values
from integrations.base.webhooks import Incoming, Refused, Webhook

URL = "https://hub.example.com/webhooks/0000000000000000"
NOW = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
#: Older than any provider's tolerance.
STALE = timedelta(days=7)
#: What may stand in a signature header without anybody having signed.
GARBAGE = ("x", "=", ",,,", "v1=", "t=,v1=", "t=9e99,v1=zz", "v1,", "v0=\u2603", "\x00", "%%%", "A" * 5000)

Check = tuple[str, Callable[[], None]]


@dataclass(frozen=True, slots=True)
class Call:
    """A fixture's call as the provider would make it at ``when``."""

    headers: Mapping[str, str]
    body: bytes
    signed: tuple[str, ...]


def webhook_cases(provider: Provider) -> Iterator[Check]:
    """Yield every check of a provider's webhook."""
    yield "events-have-fixtures", lambda: _covered(provider)
    for fixture in _fixtures(provider):
        name = fixture.file.rsplit("/", 1)[-1].removesuffix(".json")
        contract = WebhookContract(provider, fixture)
        yield f"{name}-read", contract.check_read
        yield f"{name}-changed-body", contract.check_changed_body
        yield f"{name}-wrong-secret", contract.check_wrong_secret
        yield f"{name}-headers", contract.check_headers
        yield f"{name}-stale", contract.check_stale


class WebhookContract:
    """The checks of one webhook fixture."""

    def __init__(self, provider: Provider, fixture: WebhookFixture):
        if provider.webhook is None:
            raise ValueError(f"{provider.slug} declares no webhook.")
        self.provider, self.fixture = provider, fixture
        self.webhook: Webhook = provider.webhook
        self.file = f"integrations/{provider.slug}/webhooks.py"
        self.settings, hidden = sample_values(self.webhook.fields)
        # A verifier is given the values of all its fields, whether they are secret or not.
        self.secrets = {**self.settings, **hidden}

    def check_read(self) -> None:
        """A rightly signed call is proved and gives the fixture's notices."""
        incoming = self._incoming(self._call(NOW))
        try:
            self.webhook.verify(incoming, self.secrets)
        except Refused as error:
            raise AssertionError(f"{self.file}: a rightly signed call is refused: {error}") from None
        notices = self.webhook.parse(incoming)
        read = [_shown(notice.id, notice.type, notice.subject) for notice in notices]
        wanted = [
            _shown(one.get("id", ""), one.get("type", ""), one.get("subject", notice.subject))
            for one, notice in zip(self.fixture.notices, notices, strict=False)
        ]
        _require(
            len(notices) == len(self.fixture.notices) and read == wanted,
            f"{self.fixture.file}: parse gave {read}.",
        )
        for notice in notices:
            declared = any(event_matches(event, notice.type) for event in self.webhook.events)
            _require(declared, f"{self.file}: {notice.type} is not among the declared events.")
            own = notice.type.startswith(f"{self.provider.slug}.")
            _require(own, f"{self.file}: the type {notice.type} must begin with {self.provider.slug}.")

    def check_changed_body(self) -> None:
        """One flipped bit anywhere, or one byte more, and the call is refused."""
        call = self._call(NOW)
        for position in {0, len(call.body) // 3, len(call.body) // 2, len(call.body) - 1}:
            changed = bytearray(call.body)
            changed[position] ^= 1
            self._refused(Call(call.headers, bytes(changed), call.signed), "a changed body")
        if self.webhook.seal is None:
            self._refused(Call(call.headers, call.body + b" ", call.signed), "a longer body")

    def check_wrong_secret(self) -> None:
        """Another secret, and none at all, prove nothing."""
        call = self._call(NOW)
        for name in self.secrets:
            if any(field.name == name and field.required for field in self.webhook.fields):
                wrong = {**self.secrets, name: _other(self.secrets[name])}
                self._refused(call, f"a wrong {name}", wrong)
        if self.secrets:
            self._refused(call, "no secret", {})

    def check_headers(self) -> None:
        """Without a signed header, or with rubbish in it, the call is refused; nothing crashes."""
        call = self._call(NOW)
        for name in call.signed:
            rest = {key: value for key, value in call.headers.items() if key != name}
            self._refused(Call(rest, call.body, call.signed), f"no header {name}")
            for rubbish in ("", *GARBAGE):
                headers = {**call.headers, name: rubbish}
                self._refused(Call(headers, call.body, call.signed), f"{name}: {rubbish[:20]!r}")
        for body in (b"", b"null", b"[]", b"{", b"\xff"):
            self._refused(Call(call.headers, body, call.signed), f"the body {body!r}")

    def check_stale(self) -> None:
        """Where the time is signed, an old call is refused, and one from the future."""
        stamp = str(int(NOW.timestamp()))
        call = self._call(NOW)
        if not any(stamp in call.headers[name] for name in call.signed):
            return
        self._refused(self._call(NOW - STALE), "a call signed a week ago")
        self._refused(self._call(NOW + STALE), "a call signed in a week")

    def _call(self, when: datetime) -> Call:
        webhook, body = self.webhook, self.fixture.body
        _require(
            webhook.sign or webhook.seal,
            f"{self.file}: the Webhook needs 'sign' (or 'seal'), so that tests can make a proved call.",
        )
        if webhook.seal:
            body = webhook.seal(body, self.secrets, URL, when)
        signed = webhook.sign(body, self.secrets, URL, when) if webhook.sign else {}
        lower = {name.lower(): value for name, value in signed.items()}
        return Call({**self.fixture.headers, **lower}, body, tuple(lower))

    def _incoming(self, call: Call) -> Incoming:
        fetch = self.webhook.sample_fetch or (lambda url: b"")
        return Incoming(
            method=self.fixture.method,
            url=URL,
            headers=call.headers,
            body=call.body,
            received_at=NOW,
            settings=self.settings,
            fetch=fetch,
        )

    def _refused(self, call: Call, what: str, secrets: Mapping[str, str] | None = None) -> None:
        try:
            self.webhook.verify(self._incoming(call), self.secrets if secrets is None else secrets)
        except Refused as error:
            _require(str(error), f"{self.file}: a call with {what} is refused without a reason.")
        else:
            raise AssertionError(f"{self.file}: a call with {what} is accepted.")


def _covered(provider: Provider) -> None:
    webhook = provider.webhook
    if webhook is None:
        return
    try:
        held = [kind for fixture in webhook_fixtures(provider) for kind in fixture.types]
    except FixtureError as error:
        raise AssertionError(str(error)) from None
    for event in webhook.events:
        _require(
            any(event_matches(event, kind) for kind in held),
            f"integrations/{provider.slug}/fixtures/webhooks/{event.type}.json is missing.",
        )


def _fixtures(provider: Provider) -> list[WebhookFixture]:
    try:
        return webhook_fixtures(provider)
    except FixtureError:
        return []  # the case events-have-fixtures says it


def _other(secret: str) -> str:
    """The same secret but for one character in its middle."""
    middle = len(secret) // 2
    return secret[:middle] + ("A" if secret[middle] != "A" else "B") + secret[middle + 1 :]


def _shown(identity: str, kind: str, subject: str) -> str:
    return f"{kind} {identity} {subject}".strip()


def _require(held: object, sentence: str) -> None:
    if not held:
        raise AssertionError(sentence)
