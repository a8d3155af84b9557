"""The API's description says of every operation what a client needs."""

from typing import Any

import pytest

from hub.accounts.models import Scope
from tests.security.addresses import operations

ALL = operations()
IDS = [f"{method} {path}" for method, path, _ in ALL]
#: How people get tokens: whoever has none may call these, and nobody's answer is kept for a second call.
PUBLIC = "/api/auth/"
OURS = [entry for entry in ALL if not entry[1].startswith(PUBLIC)]
#: Each is enough by itself; what stands together is needed together.
ENOUGH: list[dict[str, list[Any]]] = [
    {"apiKey": []},
    {"apiKeyHeader": []},
    {"person": [], "organization": []},
]


def media(body: Any) -> list[dict[str, Any]]:
    return list(body.get("content", {}).values())


@pytest.mark.parametrize(("method", "path", "operation"), ALL, ids=IDS)
def test_scope_examples_and_problems(method: str, path: str, operation: dict[str, Any]) -> None:
    if path.startswith(PUBLIC):
        assert "Needs no key" in operation["description"]
        assert operation["security"] == []
    else:
        assert operation["x-required-scope"] in Scope.values
        assert f"`{operation['x-required-scope']}`" in operation["description"]
        assert operation["security"] == ENOUGH
    assert operation["summary"]
    for status in ("401", "403", "429"):
        assert "application/problem+json" in operation["responses"][status]["content"]
    for status, response in operation["responses"].items():
        assert "X-Request-Id" in response["headers"], status
        for kind, entry in response.get("content", {}).items():
            assert entry.get("examples"), (status, kind)
    paged = "cursor" in {each["name"] for each in operation.get("parameters", [])}
    assert ("Link" in operation["responses"].get("200", {}).get("headers", {})) == paged
    for entry in media(operation.get("requestBody", {})):
        assert entry.get("examples") or entry["schema"].get("format") == "binary", "a request without example"


@pytest.mark.parametrize(("method", "path", "operation"), OURS, ids=[f"{m} {p}" for m, p, _ in OURS])
def test_headers_that_guard_a_change(method: str, path: str, operation: dict[str, Any]) -> None:
    names = {each["name"]: each for each in operation.get("parameters", []) if each["in"] == "header"}

    assert ("Idempotency-Key" in names) == (method == "post")
    assert ("If-Match" in names) == ("412" in operation["responses"])
    if method == "post":
        assert {"409", "422"} <= set(operation["responses"])


def test_what_the_issue_asks_for_is_there() -> None:
    held = {path for _, path, _ in ALL}
    for path in (
        *("/api/events", "/api/events/{id}", "/api/events/{id}/replay", "/api/integrations"),
        *("/api/integrations/status", "/api/integrations/health", "/api/integrations/{integration}/health"),
        *("/api/integrations/test/{integration}", "/api/integrations/sync", "/api/integrations/config"),
        *("/api/integrations/data/{integration}", "/api/integrations/config/reload"),
        *("/api/integrations/metrics", "/api/integrations/logs", "/api/integrations/alert", "/api/queue"),
        *("/api/mappings/preview", "/api/routes/impact", "/api/webhook-endpoints", "/api/providers"),
        *("/api/reports/deliveries", "/api/reports/errors", "/api/reports/webhooks", "/api/subscriptions"),
        *("/api/subscriptions/subscribe", "/api/subscriptions/unsubscribe", "/api/subscriptions/sample"),
        *("/api/auth/login", "/api/auth/register", "/api/auth/refresh", "/api/auth/logout"),
        *("/api/auth/social/google", "/api/auth/social/facebook"),
    ):
        assert path in held
