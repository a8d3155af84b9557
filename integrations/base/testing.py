"""The contract every provider keeps: one list of cases, made from its declaration and fixtures.

``tests/integrations/test_contract.py`` runs the cases of every discovered provider. A failure says
in one sentence what is missing in which file.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from hub.lib.outbound import Policy, Response
from integrations.base.capabilities import CAPABILITIES
from integrations.base.connection_tests import prove
from integrations.base.errors import AuthError, IntegrationError, RateLimited, TransientError
from integrations.base.fields import Field
from integrations.base.fixtures import (
    CallFixture,
    Canned,
    FixtureError,
    Request,
    account_fixture,
    call_fixture,
    encode,
)
from integrations.base.fixtures import test_fixture as connection_fixture
from integrations.base.http import Outgoing
from integrations.base.inputs import read_input
from integrations.base.provider import CATEGORIES, Action, Context, Provider, Pull
from integrations.base.samples import ACCESS_TOKEN, sample_context, sample_value
from integrations.base.testing_webhook import webhook_cases
from integrations.base.webhooks import Webhook

#: Seconds that the sample 429 asks to wait.
RETRY_AFTER = 7
#: What the hub must be told by each of these answers.
ERRORS: tuple[tuple[int, type[IntegrationError]], ...] = (
    (401, AuthError),
    (429, RateLimited),
    (503, TransientError),
)
#: Characters that instructions.md must hold to be of use.
INSTRUCTIONS = 300


@dataclass(frozen=True, slots=True)
class Case:
    """One check; ``run`` raises AssertionError with a sentence for the provider's author."""

    name: str
    run: Callable[[], None]

    def __str__(self) -> str:
        return self.name


def require(held: Any, sentence: str) -> None:
    """Raise AssertionError with ``sentence`` unless ``held``."""
    if not held:
        raise AssertionError(sentence)


class Script:
    """A transport that expects the exchanges of a fixture, in order."""

    def __init__(self, exchanges: Sequence[Canned], file: str):
        self._left = list(exchanges)
        self._file = file

    def __call__(self, outgoing: Outgoing, policy: Policy) -> Response:
        """Answer the next request; raise AssertionError where it is not the declared one."""
        request = Request.of(outgoing)
        sent = f"{request.method} {request.path}"
        require(self._left, f"{self._file} declares no further request, but {sent} was sent.")
        expected = self._left.pop(0)
        require(
            expected.fits(request),
            f"{self._file} declares {expected.method} {expected.path} {dict(expected.match) or ''}, "
            f"but {sent} was sent with {(outgoing.body or b'')[:300]!r}.",
        )
        return expected.answer(request)

    def finish(self) -> None:
        """Raise AssertionError where a declared request was not sent."""
        missing = ", ".join(f"{one.method} {one.path}" for one in self._left)
        require(not missing, f"{self._file} declares {missing}, which was never sent.")


class ProviderContract:
    """The contract of one provider; subclass it to add cases of its own."""

    def __init__(self, provider: Provider):
        self.provider = provider
        self.file = f"integrations/{provider.slug}/provider.py"

    def cases(self) -> Iterator[Case]:
        """Yield every check that the declaration calls for."""
        provider = self.provider
        yield Case("declaration", self.check_declaration)
        yield Case("instructions", self.check_instructions)
        for field in self._fields():
            yield Case(f"field-{field.name}", partial(self.check_field, field))
        for scheme in provider.auth:
            yield Case(f"connects-{scheme.key}", partial(self.check_connects, scheme.key))
            yield Case(f"refused-{scheme.key}", partial(self.check_refused, scheme.key))
        for action in provider.actions:
            yield from self._action_cases(action)
        for pull in provider.pulls:
            yield Case(f"pull-{pull.name}", partial(self.check_pull, pull))
            for status, kind in ERRORS:
                yield Case(f"pull-{pull.name}-{status}", partial(self.check_pull_error, pull, status, kind))
        if provider.webhook is not None:
            for name, run in webhook_cases(provider):
                yield Case(f"webhook-{name}", run)

    def _action_cases(self, action: Action) -> Iterator[Case]:
        yield Case(f"action-{action.name}", partial(self.check_action, action))
        for status, kind in ERRORS:
            yield Case(
                f"action-{action.name}-{status}",
                partial(self.check_error, action, status, kind),
            )
        if action.capability:
            yield Case(f"capability-{action.name}", partial(self.check_capability, action))

    def check_declaration(self) -> None:
        """Names, category, addresses; nothing declared twice."""
        provider, file = self.provider, self.file
        require(re.fullmatch(r"[a-z][a-z0-9_]*", provider.slug), f"{file}: the slug is not a folder's name.")
        require(provider.name and provider.summary, f"{file}: name and summary are needed.")
        require(provider.category in CATEGORIES, f"{file}: there is no category {provider.category!r}.")
        require(provider.docs_url.startswith("https://"), f"{file}: docs_url must begin with https://.")
        require(re.fullmatch(r"#[0-9a-fA-F]{6}", provider.colour), f"{file}: colour must be like #5b6472.")
        require("default" in provider.base_urls, f"{file}: base_urls needs an entry 'default'.")
        require(provider.auth, f"{file}: auth needs at least one scheme, be it AuthScheme().")
        require(provider.actions or provider.pulls, f"{file}: it declares nothing that the hub could do.")
        for what, names in self._names().items():
            twice = sorted({name for name in names if names.count(name) > 1})
            require(not twice, f"{file}: declared twice under {what}: {', '.join(twice)}.")
        for scheme in provider.auth:
            settings = {f.name: sample_value(f) for f in provider.fields_for(scheme.key) if not f.secret}
            for host, url in provider.urls(settings).items():
                good = urlsplit(url).scheme in ("https", "http") and urlsplit(url).hostname
                require(good, f"{file}: base URL {host!r} becomes {url!r} with the fields' examples.")

    def check_instructions(self) -> None:
        """``instructions.md`` is there and says something."""
        file = f"integrations/{self.provider.slug}/instructions.md"
        require((self.provider.folder / "instructions.md").exists(), f"{file} is missing.")
        text = self.provider.instructions.strip()
        require(
            len(text) >= INSTRUCTIONS, f"{file} is too short to tell an admin how to get the credentials."
        )

    def check_field(self, field: Field) -> None:
        """A field explains itself, and its example is valid."""
        where = f"{self.file}: field {field.name}"
        require(field.label and field.help, f"{where} needs a label and a help text.")
        require(not (field.secret and field.default), f"{where} is a secret and must have no default.")
        if field.kind == "boolean":
            return
        value = sample_value(field)
        require(value is not None, f"{where} needs an example (or a sample).")
        try:
            field.clean(value)
            if field.sample is None and field.example:
                field.clean(field.example)
        except ValueError as error:
            raise AssertionError(f"{where}: its example is not valid: {error}") from None

    def check_connects(self, auth: str) -> None:
        """The connection test passes on the exchanges under "ok"."""
        script = self._connection_script(auth, "ok")
        ctx = sample_context(self.provider, script, auth=auth)
        try:
            result = prove(self.provider, auth, ctx)
        except IntegrationError as error:
            raise AssertionError(f"The connection test for {auth} fails on 'ok': {error.message}") from None
        script.finish()
        self._tells_account(auth, result.account_id)
        self._hides_secrets(ctx)

    def _tells_account(self, auth: str, told: str) -> None:
        file = f"integrations/{self.provider.slug}/fixtures/tests/{auth}.json"
        wanted = account_fixture(self.provider, auth)
        require(
            told == wanted,
            f"{file}: account is {wanted!r}, but the connection test (identity, or Result.account_id) or "
            f"the scheme's account_of gave {told!r}.",
        )
        words = self.provider.scheme(auth).account_by
        require(
            bool(told) == bool(words),
            f"{self.file}: scheme {auth} says account_by={words!r}, but the id of the account is {told!r}. "
            "Say in words what tells the account from another one, or leave both empty.",
        )

    def check_refused(self, auth: str) -> None:
        """The connection test raises, with advice, on the exchanges under "refused"."""
        ctx = sample_context(self.provider, self._connection_script(auth, "refused"), auth=auth)
        try:
            prove(self.provider, auth, ctx)
        except IntegrationError as error:
            require(error.hint, f"{self.file}: a refused test for {auth} gives no hint what to do.")
        else:
            raise AssertionError(f"{self.file}: the connection test for {auth} passes on 'refused'.")
        self._hides_secrets(ctx)

    def check_action(self, action: Action) -> None:
        """The action sends what its fixture declares and returns what it declares."""
        fixture = self._fixture("actions", action.name)
        script = Script(fixture.exchanges, fixture.file)
        ctx = self._context(fixture, script)
        result = self._run(action, ctx, fixture)
        script.finish()
        wanted = fixture.result.get("external_id", "")
        require(
            result.external_id == wanted,
            f"{fixture.file}: result.external_id is {wanted!r}, but the action gave {result.external_id!r}.",
        )
        require(action.label and action.help, f"{self.file}: action {action.name} needs a label and a help.")
        bare = [name for name, held in action.input.model_fields.items() if not held.description]
        require(not bare, f"{self.file}: inputs of {action.name} without description: {', '.join(bare)}.")
        self._hides_secrets(ctx)

    def check_error(self, action: Action, status: int, kind: type[IntegrationError]) -> None:
        """An answer of ``status`` becomes the error ``kind``; Retry-After is honoured."""
        fixture = self._fixture("actions", action.name)
        self._raises(fixture, lambda ctx: self._run(action, ctx, fixture), status, kind)

    def check_pull_error(self, pull: Pull, status: int, kind: type[IntegrationError]) -> None:
        """The same of a pull."""
        fixture = self._fixture("pulls", pull.name)
        self._raises(fixture, lambda ctx: pull.read(ctx, fixture.input.get("cursor"), None), status, kind)

    def _raises(
        self,
        fixture: CallFixture,
        call: Callable[[Context], Any],
        status: int,
        kind: type[IntegrationError],
    ) -> None:
        raw, media_type = encode({"message": "scripted failure"})
        headers = {"content-type": media_type} | ({"retry-after": str(RETRY_AFTER)} if status == 429 else {})
        ctx = self._context(fixture, lambda outgoing, policy: Response(status, headers, raw, outgoing.url))
        try:
            call(ctx)
        except IntegrationError as error:
            said = f"{self.file}: {fixture.name} makes {type(error).__name__} of {status}"
            require(isinstance(error, kind), f"{said}, not {kind.__name__}.")
            if isinstance(error, RateLimited):
                require(error.retry_after == RETRY_AFTER, f"{said}, but loses Retry-After.")
        else:
            raise AssertionError(f"{self.file}: {fixture.name} takes {status} for a success.")

    def check_capability(self, action: Action) -> None:
        """A capability's action has its name and takes its input."""
        require(action.name in CAPABILITIES, f"{self.file}: there is no capability {action.name!r}.")
        model = CAPABILITIES[action.name]
        require(action.input is model, f"{self.file}: {action.name} must take {model.__name__}.")

    def check_pull(self, pull: Pull) -> None:
        """The pull reads the rows and the cursor its fixture declares, and names webhooks that are there."""
        webhook = self.provider.webhook
        events = [event.type for event in webhook.events] if webhook else []
        for name in (*pull.told_by, *pull.gone_by):
            require(
                any(fnmatch(event, name) or fnmatch(name, event) for event in events),
                f"{self.file}: pull {pull.name} names the webhook {name}, which WEBHOOK.events lacks.",
            )
        fixture = self._fixture("pulls", pull.name)
        script = Script(fixture.exchanges, fixture.file)
        ctx = self._context(fixture, script)
        page = pull.read(ctx, fixture.input.get("cursor"), None)
        script.finish()
        wanted = fixture.result
        require(
            len(page.rows) == wanted.get("rows"),
            f"{fixture.file}: result.rows is {wanted.get('rows')}, but {len(page.rows)} were read.",
        )
        require(
            page.next_cursor == wanted.get("next_cursor"),
            f"{fixture.file}: next_cursor is {wanted.get('next_cursor')!r}, not {page.next_cursor!r}.",
        )
        self._hides_secrets(ctx)

    def _run(self, action: Action, ctx: Context, fixture: CallFixture) -> Any:
        try:
            data = read_input(action.input, fixture.input)
        except IntegrationError as error:
            reasons = getattr(error, "fields", {})
            raise AssertionError(
                f"{fixture.file}: its input does not fit {action.name}: {reasons}."
            ) from None
        return action.run(ctx, data)

    def _context(self, fixture: CallFixture, transport: Any) -> Context:
        overrides = {**fixture.settings, **fixture.secrets}
        return sample_context(self.provider, transport, auth=fixture.auth, overrides=overrides)

    def _fixture(self, kind: str, name: str) -> CallFixture:
        try:
            return call_fixture(self.provider, kind, name)
        except FixtureError as error:
            raise AssertionError(str(error)) from None

    def _connection_script(self, auth: str, case: str) -> Script:
        try:
            exchanges = connection_fixture(self.provider, auth)[case]
        except FixtureError as error:
            raise AssertionError(str(error)) from None
        return Script(exchanges, f"integrations/{self.provider.slug}/fixtures/tests/{auth}.json ({case})")

    def _hides_secrets(self, ctx: Context) -> None:
        kept = repr(ctx.http.exchanges)
        shown = [name for name, value in ctx.secrets.items() if value and value in kept]
        shown += ["access token"] if ACCESS_TOKEN in kept else []
        require(not shown, f"{self.file}: the log of the exchanges shows {', '.join(shown)}.")

    def _fields(self) -> list[Field]:
        webhook: Webhook | None = self.provider.webhook
        found = [field for scheme in self.provider.auth for field in scheme.fields]
        return list(
            {
                f.name: f for f in [*found, *self.provider.fields, *(webhook.fields if webhook else ())]
            }.values()
        )

    def _names(self) -> Mapping[str, list[str]]:
        provider = self.provider
        names = {f"fields of {s.key}": [f.name for f in provider.fields_for(s.key)] for s in provider.auth}
        names |= {
            "auth": [scheme.key for scheme in provider.auth],
            "actions": [action.name for action in provider.actions],
            "pulls": [pull.name for pull in provider.pulls],
        }
        if provider.webhook:
            names["webhook fields"] = [field.name for field in provider.webhook.fields]
            names["webhook events"] = [event.type for event in provider.webhook.events]
        return names
