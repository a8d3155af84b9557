"""Plan, apply and export: idempotent, all or nothing, and never a secret in sight."""

import io
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command

from hub.accounts.models import Organization
from hub.config.changes import Report
from hub.config.document import ConfigError, read_document
from hub.config.service import apply, plan
from hub.config.snapshot import export
from hub.connections.models import Integration
from hub.delivery.models import Priority
from hub.events.models import Route
from webhooks.models import WebhookEndpoint

pytestmark = pytest.mark.django_db

SECRET = "sk_test_example00000000000000"
ENV = {"STRIPE_KEY": SECRET, "STRIPE_WEBHOOK": "whsec_example0000000000000000000000"}


def acme() -> dict[str, Any]:
    return {
        "organization": {"slug": "acme", "name": "Acme"},
        "integrations": [
            {"slug": "pay", "provider": "stripe", "credential_env": {"api_key": "STRIPE_KEY"}},
            {
                "slug": "sink",
                "provider": "http",
                "name": "Sink",
                "settings": {"url": "https://sink.example.com/in"},
                "limits": {"rate_count": 5, "quick_tries": 2},
            },
            {"slug": "spare", "provider": "http", "settings": {"url": "https://spare.example.com/in"}},
        ],
        "mappings": [
            {
                "slug": "all",
                "provider": "http",
                "action": "http.send",
                "rules": [{"source": "type", "target": "type", "required": True}],
            }
        ],
        "event_types": [
            {"name": "order.paid", "schema": {"type": "object"}, "example": {"id": 1}, "on_invalid": "reject"}
        ],
        "routes": [
            {
                "slug": "orders",
                "events": "order.*",
                "integration": "sink",
                "action": "http.send",
                "mapping": "all",
                "priority": "high",
                "filter": "data.id > `0`",
                "fallbacks": [{"integration": "spare", "action": "http.send"}],
            }
        ],
        "webhook_endpoints": [
            {
                "slug": "pay-in",
                "integration": "pay",
                "credential_env": {"webhook_signing_secret": "STRIPE_WEBHOOK"},
            }
        ],
    }


def run(document: dict[str, Any], env: dict[str, str] = ENV, **options: Any) -> Report:
    return apply(read_document(yaml.safe_dump(document)), environ=env, **options)


def mistakes(document: dict[str, Any], env: dict[str, str] = ENV) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        run(document, env)
    return {mistake.place: mistake.message for mistake in caught.value.mistakes}


def test_apply_makes_everything() -> None:
    report = run(acme())
    assert {change.kind for change in report.changes} == {"create"}
    assert len(report.changes) == 8
    route = Route.objects.get(slug="orders")
    assert route.priority == Priority.HIGH
    assert route.mapping is not None
    assert [fallback.integration.slug for fallback in route.fallbacks.all()] == ["spare"]
    assert Integration.objects.get(slug="pay").credential.secrets["api_key"] == SECRET
    sink = Integration.objects.get(slug="sink")
    assert (sink.rate_count, sink.quick_tries, sink.batch_size) == (5, 2, 50)
    endpoint = WebhookEndpoint.objects.get(slug="pay-in")
    assert endpoint.secret_sets()[0] == {"webhook_signing_secret": ENV["STRIPE_WEBHOOK"]}


def test_applying_again_changes_nothing() -> None:
    run(acme())
    before = list(Integration.objects.order_by("slug").values_list("updated_at"))
    assert run(acme()).changes == []
    assert list(Integration.objects.order_by("slug").values_list("updated_at")) == before


def test_a_plan_says_what_apply_would_do_and_keeps_nothing() -> None:
    document = read_document(yaml.safe_dump(acme()))
    planned = plan(document, environ=ENV)
    assert not Organization.objects.exists()
    assert str(planned) == str(apply(document, environ=ENV))
    assert "+ route orders" in str(planned)
    assert "8 to create, 0 to change, 0 to delete" in str(planned)


def test_a_changed_value_is_shown_with_what_it_was() -> None:
    run(acme())
    document = acme()
    document["routes"][0]["priority"] = "urgent"
    document["integrations"][1]["settings"]["url"] = "https://new.example.com/in"
    document["integrations"][1]["limits"] = {"rate_count": None}
    text = str(run(document))
    assert "    priority: high → urgent" in text
    assert "    settings.url: https://sink.example.com/in → https://new.example.com/in" in text
    assert "    limits.rate_count: 5 → (none)" in text
    assert Integration.objects.get(slug="sink").quick_tries == 2, "what the file does not mention stays"


def test_a_secret_is_changed_without_being_shown() -> None:
    run(acme())
    text = str(run(acme(), ENV | {"STRIPE_KEY": "sk_test_another0000000000000"}))
    assert "api_key: (secret) set" in text
    assert "another" not in text
    assert Integration.objects.get(slug="pay").credential.secrets["api_key"].startswith("sk_test_another")


def test_a_variable_that_is_not_set_keeps_a_stored_secret() -> None:
    run(acme())
    assert run(acme(), {}).changes == []


def test_a_variable_that_is_not_set_is_named_where_it_is_needed() -> None:
    found = mistakes(acme(), {})
    assert "STRIPE_KEY is not set" in found["integrations[0].credential_env.api_key"]
    assert "STRIPE_WEBHOOK" not in str(found), "what hangs on a wrong entry is not reproached as well"
    assert not Organization.objects.exists(), "all or nothing"


def test_a_secret_in_the_file_is_refused() -> None:
    document = acme()
    document["integrations"][0]["settings"] = {"api_key": SECRET}
    found = mistakes(document)
    assert "credential_env" in found["integrations[0].settings.api_key"]
    assert SECRET not in str(found)


def test_references_are_checked_and_what_there_is_is_named() -> None:
    document = acme()
    document["integrations"][2]["provider"] = "htttp"
    route = document["routes"][0]
    route |= {"integration": "snik", "mapping": "none", "filter": "data.["}
    route["fallbacks"] = [{"integration": "sink", "action": "http.sned"}]
    document["mappings"][0]["rules"].append({"source": "x.[", "target": "data"})
    document["event_types"][0]["example"] = "text"
    found = mistakes(document)
    assert "there is no provider 'htttp'; there are: " in found["integrations[2].provider"]
    assert "there are: pay, sink" in found["routes[0].integration"]
    assert "http.send" in found["routes[0].fallbacks[0].action"]
    assert "there is no mapping 'none'" in found["routes[0].mapping"]
    assert "routes[0].filter" in found
    assert "mappings[0].rules[1]" in found
    assert "event_types[0].example" in found


def test_a_provider_setting_that_is_wrong_is_named() -> None:
    document = acme()
    document["integrations"][1]["settings"] = {"url": "not an address"}
    document["integrations"][2]["settings"]["colour"] = "red"
    found = mistakes(document)
    assert "integrations[1].settings.url" in found
    assert "there is no setting 'colour'" in found["integrations[2].settings.colour"]


def test_an_integration_keeps_its_provider() -> None:
    run(acme())
    document = acme()
    document["integrations"][1] = {"slug": "sink", "provider": "slack"}
    assert "belongs to http" in mistakes(document)["integrations[1].provider"]


def test_only_prune_deletes() -> None:
    run(acme())
    less = {"organization": {"slug": "acme"}, "integrations": acme()["integrations"][1:2]}
    assert run(less).changes == []
    report = run(less, prune=True)
    assert [str(change).splitlines()[0] for change in report.changes] == [
        "- webhook endpoint pay-in",
        "- route orders",
        "- event type order.paid",
        "- mapping all",
        "- integration pay",
        "- integration spare",
    ]
    assert list(Integration.objects.values_list("slug", flat=True)) == ["sink"]


def test_other_organizations_are_left_alone() -> None:
    run(acme())
    other = acme() | {"organization": {"slug": "other"}}
    run(other)
    run({"organization": {"slug": "other"}}, prune=True)
    assert Organization.objects.get(slug="acme").integrations.count() == 3
    assert Organization.objects.get(slug="other").integrations.count() == 0


def test_an_export_holds_no_secret_and_applies_without_a_change() -> None:
    run(acme())
    text = yaml.safe_dump(export(Organization.objects.get(slug="acme")))
    assert not any(secret in text for secret in ENV.values())
    assert WebhookEndpoint.objects.get().keys["token"] not in text
    document = read_document(text)
    assert document.integrations[0].credential_env == {"api_key": "ACME_PAY_API_KEY"}
    assert apply(document, environ={}).changes == []


def test_an_export_makes_the_same_hub_elsewhere() -> None:
    run(acme())
    acmes = Organization.objects.get(slug="acme")
    exported = export(acmes)
    run({"organization": {"slug": "acme"}}, prune=True)
    names = {
        **exported["integrations"][0]["credential_env"],
        **exported["webhook_endpoints"][0]["credential_env"],
    }
    env = {
        variable: (SECRET if field == "api_key" else ENV["STRIPE_WEBHOOK"])
        for field, variable in names.items()
    }
    run(exported, env)
    assert export(Organization.objects.get(slug="acme")) == exported


def test_the_commands_speak_plainly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "acme.yaml"
    file.write_text(yaml.safe_dump(acme()))
    with pytest.raises(
        CommandError, match=r"1 mistake, nothing was changed:\n  integrations\[0\]\.credential_env"
    ):
        call_command("apply", str(file))
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    out = io.StringIO()
    call_command("plan", str(file), stdout=out)
    assert "8 to create" in out.getvalue()
    call_command("apply", str(file), stdout=out)
    exported = io.StringIO()
    call_command("export", organization="acme", stdout=exported)
    file.write_text(exported.getvalue())
    out = io.StringIO()
    call_command("plan", str(file), stdout=out)
    assert "Nothing to do" in out.getvalue()
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("plan", str(tmp_path / "absent.yaml"))
    with pytest.raises(CommandError, match="there are: acme"):
        call_command("export", organization="nobody")
