"""The contract finds what a provider lacks, and says it in one sentence."""

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import integrations
from hub.lib.outbound import Response
from integrations.base.errors import PermanentError
from integrations.base.fields import Field
from integrations.base.provider import ConnectionTest, Provider, Pull, action
from integrations.base.results import Page, Result
from integrations.base.scaffold import write_provider
from integrations.base.testing import ProviderContract
from integrations.base.webhooks import Incoming, Notice, WebhookEvent


@pytest.fixture
def provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """A provider that keeps the contract, to be broken."""
    root = tmp_path / "integrations"
    write_provider(root, "acme_broken", "Acme", "crm")
    monkeypatch.setattr(integrations, "__path__", [*integrations.__path__, str(root)])
    yield importlib.import_module("integrations.acme_broken.provider").PROVIDER
    for name in [name for name in sys.modules if name.startswith("integrations.acme_broken")]:
        del sys.modules[name]


def failures(provider: Provider) -> dict[str, str]:
    said = {}
    for case in ProviderContract(provider).cases():
        try:
            case.run()
        except AssertionError as error:
            said[case.name] = str(error)
    return said


def change_fixture(provider: Provider, name: str, change: Callable[[dict[str, Any]], None]) -> None:
    path = provider.folder / "fixtures" / name
    held = json.loads(path.read_text())
    change(held)
    path.write_text(json.dumps(held))


def test_a_provider_that_keeps_it_fails_nowhere(provider: Provider) -> None:
    assert failures(provider) == {}


def test_declaration(provider: Provider) -> None:
    broken = replace(provider, category="nonsense")
    assert "no category 'nonsense'" in failures(broken)["declaration"]
    broken = replace(provider, docs_url="http://example.com")
    assert "docs_url must begin with https://" in failures(broken)["declaration"]
    broken = replace(provider, actions=provider.actions * 2)
    assert "declared twice under actions" in failures(broken)["declaration"]


def test_fields(provider: Provider) -> None:
    field = Field("zone", "Zone", help="Where.", example="moon", pattern="[0-9]+")
    assert "its example is not valid" in failures(replace(provider, fields=(field,)))["field-zone"]
    field = Field("zone", "Zone", example="1")
    assert "needs a label and a help text" in failures(replace(provider, fields=(field,)))["field-zone"]
    field = Field("zone", "Zone", help="Where.")
    assert "needs an example" in failures(replace(provider, fields=(field,)))["field-zone"]


def test_instructions(provider: Provider) -> None:
    (provider.folder / "instructions.md").write_text("Ask somebody.")
    assert "too short" in failures(provider)["instructions"]
    (provider.folder / "instructions.md").unlink()
    assert failures(provider)["instructions"] == "integrations/acme_broken/instructions.md is missing."


def test_a_missing_fixture_is_named(provider: Provider) -> None:
    (provider.folder / "fixtures" / "actions" / "acme_broken.create_record.json").unlink()
    said = failures(provider)["action-acme_broken.create_record"]
    assert said == "integrations/acme_broken/fixtures/actions/acme_broken.create_record.json is missing."


def test_another_request_than_declared(provider: Provider) -> None:
    def other(held: dict[str, Any]) -> None:
        held["exchanges"][0]["request"]["path"] = "/v2/records"

    change_fixture(provider, "actions/acme_broken.create_record.json", other)
    said = failures(provider)["action-acme_broken.create_record"]
    assert "declares POST /v2/records" in said
    assert "but POST /v1/records was sent" in said


def test_another_result_than_declared(provider: Provider) -> None:
    def other(held: dict[str, Any]) -> None:
        held["result"]["external_id"] = "rec_9"

    change_fixture(provider, "actions/acme_broken.create_record.json", other)
    assert "'rec_9', but the action gave 'rec_0001'" in failures(provider)["action-acme_broken.create_record"]


def test_an_input_that_does_not_fit(provider: Provider) -> None:
    change_fixture(provider, "actions/acme_broken.create_record.json", lambda held: held.update(input={}))
    assert "its input does not fit" in failures(provider)["action-acme_broken.create_record"]


def test_errors_that_are_misread(provider: Provider) -> None:
    def lax(response: Response) -> None:
        if response.status >= 400:
            raise PermanentError("no", hint="none")

    said = failures(replace(provider, classify=lax))
    assert "makes PermanentError of 401, not AuthError" in said["action-acme_broken.create_record-401"]
    assert "not RateLimited" in said["action-acme_broken.create_record-429"]
    assert "not TransientError" in said["action-acme_broken.create_record-503"]


def test_a_connection_test_that_always_passes(provider: Provider) -> None:
    said = failures(replace(provider, test=lambda ctx: Result()))
    assert "passes on 'refused'" in said["refused-token"]


def test_a_capability_with_an_input_of_its_own(provider: Provider) -> None:
    own = provider.actions[0].input

    @action("email.send", "Send", own, capability=True)
    def send(ctx: Any, data: Any) -> Result:
        """Send."""
        return Result()

    assert "must take EmailMessage" in failures(replace(provider, actions=(send,)))["capability-email.send"]


def test_a_webhook_that_verifies_nothing(provider: Provider) -> None:
    assert provider.webhook is not None
    open_door = replace(provider.webhook, verify=lambda incoming, secrets: None)
    said = failures(replace(provider, webhook=open_door))
    name = "webhook-acme_broken.record.created"
    assert {f"{name}-{part}" for part in ("changed-body", "wrong-secret", "headers", "stale")} <= set(said)


def test_a_webhook_that_crashes_on_rubbish(provider: Provider) -> None:
    webhook = provider.webhook
    assert webhook is not None

    def fragile(incoming: Incoming, secrets: Any) -> None:
        incoming.headers["x-signature"].split(",")[1].split("=")
        webhook.verify(incoming, secrets)

    contract = ProviderContract(replace(provider, webhook=replace(webhook, verify=fragile)))
    [case] = [case for case in contract.cases() if case.name.endswith("-headers")]
    with pytest.raises((KeyError, IndexError)):
        case.run()


def test_a_webhook_whose_notices_differ_or_are_not_declared(provider: Provider) -> None:
    assert provider.webhook is not None
    other = replace(provider.webhook, parse=lambda incoming: [Notice("evt_0001", "acme_broken.else", {})])
    assert (
        "parse gave" in failures(replace(provider, webhook=other))["webhook-acme_broken.record.created-read"]
    )
    events = (WebhookEvent("acme_broken.record.deleted", "A record was deleted"),)
    said = failures(replace(provider, webhook=replace(provider.webhook, events=events)))
    assert "is not among the declared events" in said["webhook-acme_broken.record.created-read"]
    assert "acme_broken.record.deleted.json is missing" in said["webhook-events-have-fixtures"]


def test_an_account_that_is_not_told_as_declared(provider: Provider) -> None:
    (scheme,) = provider.auth
    silent = replace(provider, auth=(replace(scheme, account_by=""),))
    assert "Say in words what tells the account" in failures(silent)["connects-token"]
    change_fixture(provider, "tests/token.json", lambda held: held.update(account="other"))
    said = failures(provider)["connects-token"]
    assert "account is 'other', but the connection test" in said
    assert "gave 'acct_1'" in said


def test_settings_tell_the_account_where_the_api_does_not(provider: Provider) -> None:
    (scheme,) = provider.auth
    assert isinstance(provider.test, ConnectionTest)
    by_region = replace(scheme, account_of=lambda settings: "from the settings")
    mute = replace(provider, auth=(by_region,), test=replace(provider.test, identity=""))
    assert "gave 'from the settings'" in failures(mute)["connects-token"]
    assert failures(replace(provider, auth=(by_region,))) == {}, "what the API says counts for more"


def test_a_pull_that_names_a_webhook_which_is_not_there(provider: Provider) -> None:
    def read(ctx: Any, cursor: Any, since: Any) -> Page:
        return Page([])

    (provider.folder / "fixtures" / "pulls").mkdir()
    exchange = {"request": {"method": "GET", "path": "/v1/records"}, "response": {"body": []}}
    fixture = {"exchanges": [exchange], "result": {"rows": 0}}
    (provider.folder / "fixtures" / "pulls" / "all.json").write_text(json.dumps(fixture))
    lost = replace(provider, pulls=(Pull("all", "All", read, told_by=("acme_broken.record.gone",)),))
    assert "WEBHOOK.events lacks" in failures(lost)["pull-all"]
    assert "all takes 429 for a success" in failures(lost)["pull-all-429"]
    known = replace(provider, pulls=(Pull("all", "All", read, told_by=("acme_broken.record.*",)),))
    assert "never sent" in failures(known)["pull-all"]
