"""``docs/adding-a-provider.md``: its example is a provider that keeps the contract, and does what it says."""

import importlib
import json
import re
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import integrations
from integrations.base.auth import AuthScheme
from integrations.base.capabilities import Contact
from integrations.base.errors import RateLimited, Rejected
from integrations.base.provider import Provider
from integrations.base.results import Result
from integrations.base.scaffold import write_provider
from integrations.base.testing import ProviderContract
from tests.conftest import Door
from tests.integrations.support import context

PAGE = Path(__file__).resolve().parents[3] / "docs" / "adding-a-provider.md"
#: Blocks of code, each with the name of the file that stands above it, if any.
BLOCK = re.compile(r"(?:^`([\w./]+)`:\n\n)?^```(python|json)\n(.*?)^```", re.MULTILINE | re.DOTALL)
API = "https://eu.acme.example/v1/contacts"
ADA = {"email": "ada@example.com", "first_name": "Ada"}


def blocks() -> list[tuple[str, str]]:
    return [(name, text) for name, _, text in BLOCK.findall(PAGE.read_text(encoding="utf-8"))]


def block_with(words: str) -> str:
    (found,) = [text for _, text in blocks() if words in text]
    return found


@pytest.fixture
def provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """What somebody has who follows the page."""
    root = tmp_path / "integrations"
    write_provider(root, "acme", "Acme", "crm")
    follow_page(root / "acme")
    monkeypatch.setattr(integrations, "__path__", [*integrations.__path__, str(root)])
    yield importlib.import_module("integrations.acme.provider").PROVIDER
    for name in [name for name in sys.modules if name.startswith("integrations.acme")]:
        del sys.modules[name]


def follow_page(folder: Path) -> None:
    for name, text in blocks():
        if name:
            target = folder / name
            target.parent.mkdir(exist_ok=True)
            target.write_text(text, encoding="utf-8")
    webhooks = folder / "webhooks.py"
    code = webhooks.read_text(encoding="utf-8")
    start, end = code.index("def verify("), code.index("def call_id(")
    code = code[:start] + block_with("def verify(") + "\n\n" + code[end:]
    code = code.replace("sign_timestamped", "sign_hmac").replace("verify_timestamped", "verify_hmac")
    webhooks.write_text(code, encoding="utf-8")
    (folder / "fixtures" / "actions" / "acme.create_record.json").unlink()
    answer = {"request": {"method": "POST", "path": "/v1/contacts/batch"}}
    answer["response"] = {"body": {"results": [{"id": "c_1"}]}}
    fixture = {"input": ADA, "exchanges": [answer], "result": {"external_id": "c_1"}}
    (folder / "fixtures" / "actions" / "contact.upsert.json").write_text(json.dumps(fixture))


def test_the_page_is_short() -> None:
    assert len(PAGE.read_text(encoding="utf-8").splitlines()) <= 150


def test_the_example_keeps_the_contract(provider: Provider) -> None:
    cases = {case.name: case for case in ProviderContract(provider).cases()}
    assert {"connects-token", "action-contact.upsert-429", "pull-contacts"} <= set(cases)
    assert "webhook-acme.record.created-wrong-secret" in cases
    for case in cases.values():
        case.run()


def test_a_wrong_row_of_the_example_fails_alone(provider: Provider, door: Door) -> None:
    wrong = {"error": {"message": "is blocked", "field": "email"}}
    door.answer("POST", f"{API}/batch", json={"results": [{"id": "c_1"}, wrong]})
    run = provider.action("contact.upsert").run_many
    assert run is not None
    good, bad = run(context(provider), [Contact(**ADA), Contact(email="b@example.com")])
    assert good == Result(external_id="c_1")
    assert isinstance(bad, Rejected)
    assert bad.fields == {"email": "is blocked"}
    assert door.last.json["contacts"][0] == ADA
    assert door.last.header("Idempotency-Key") == "item-1"


def test_the_example_reads_page_by_page_what_changed(provider: Provider, door: Door) -> None:
    def page(sent: Any) -> Mapping[str, Any]:
        last = "cursor=p2" in sent.url
        return {"contacts": [{"id": "c_2" if last else "c_1"}], "next_cursor": None if last else "p2"}

    door.answer("GET", lambda sent: sent.url.startswith(API), json=page)
    (pull,), since = provider.pulls, datetime(2026, 11, 1, tzinfo=UTC)
    first = pull.read(context(provider), None, since)
    second = pull.read(context(provider), first.next_cursor, since)
    assert (first.next_cursor, second.next_cursor) == ("p2", None)
    assert [row["id"] for row in (*first.rows, *second.rows)] == ["c_1", "c_2"]
    assert all("updated_since=2026-11-01T00%3A00%3A00%2B00%3A00" in sent.url for sent in door.requests)


def test_the_examples_limit_says_how_long_to_wait(provider: Provider, door: Door) -> None:
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 60)}
    door.answer("GET", lambda sent: True, 429, json={"error": {"message": "slowly"}}, headers=headers)
    with pytest.raises(RateLimited) as refused:
        provider.pulls[0].read(context(provider), None, None)
    assert refused.value.retry_after == pytest.approx(60, abs=5)


def test_the_sign_in_of_the_page_can_take_the_keys_place(provider: Provider) -> None:
    names = importlib.import_module("integrations.base.auth").__dict__
    fields = importlib.import_module("integrations.base.fields").__dict__
    scheme = eval(block_with("TokenAuth("), {**names, **fields})
    assert isinstance(scheme, AuthScheme)
    fixtures = provider.folder / "fixtures" / "tests"
    (fixtures / "token.json").rename(fixtures / "oauth2.json")
    for case in ProviderContract(replace(provider, auth=(scheme,))).cases():
        case.run()
