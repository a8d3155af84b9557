"""Line breaks, scripts and patterns where plain words are expected."""

import ast
import hmac
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from hub.accounts.models import APIKey
from hub.events.intake import Draft, accept_event
from hub.events.routing import matches, pattern_problem
from hub.events.schemas import data_reasons, schema_problems
from hub.mapping.expressions import ExpressionError, compile_expression
from integrations.base.registry import get_provider, managed_slugs, providers
from tests import factories as make
from tests.factories import api_key
from tests.hub.dashboard.world import World

ROOT = Path(__file__).resolve().parents[2]
BREAK = "x\r\nSet-Cookie: stolen=1\r\n\r\n<script>"
SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>"
#: Seconds that no pattern may take.
SOON = 5.0


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["X-Request-Id", "Origin", "Referer", "Accept-Language", "User-Agent"])
def test_a_line_break_in_a_header_comes_back_in_none(name: str) -> None:
    for address in ("/api/events", "/healthz", "/admin/login/", "/webhooks/unknown-token-1/"):
        answer = Client(raise_request_exception=False).get(address, headers={name: BREAK})
        assert "stolen" not in str(answer.cookies)
        assert all("\r" not in value and "\n" not in value for value in answer.headers.values())
        assert "<script>" not in str(answer.headers)


@pytest.mark.django_db
def test_a_line_break_in_an_address_comes_back_in_none(world: World) -> None:
    client = world.client("admin")
    for address in (f"/admin/%0d%0aSet-Cookie:%20stolen=1/?next={BREAK}", "/admin/logout%0d%0aX: 1"):
        answer = client.get(address)
        assert "stolen" not in answer.headers.get("Location", "").partition("%")[0]
        assert not answer.cookies.get("stolen")
    back = {"next": "https://evil.example.com/"}
    answer = client.post(world.deed("integration", "pause"), back)
    assert answer.headers["Location"].startswith("/admin/")
    for elsewhere in ("//evil.example.com", "/\\evil.example.com", "javascript:alert(1)"):
        answer = client.post(world.deed("integration", "resume"), {"next": elsewhere})
        assert answer.headers["Location"].startswith("/admin/"), elsewhere


@pytest.mark.django_db
def test_a_script_in_an_event_is_text_on_every_page(world: World) -> None:
    data = {"note": SCRIPT, SCRIPT: 1}
    accepted = accept_event(
        world.organization, Draft(type="order.paid", subject=SCRIPT, source=SCRIPT, data=data)
    )
    client = world.client("admin")
    event = reverse("admin:events_event_change", args=[accepted.event_id])
    lists = [reverse(f"admin:{name}_changelist") for name in ("events_event", "delivery_queueitem")]
    for address in (event, *lists):
        text = client.get(address).text
        assert "<script>alert" not in text, address
        assert "onerror=alert(1)>" not in text, address


@pytest.mark.django_db
def test_a_script_in_a_name_is_text_on_every_page(world: World) -> None:
    for name in ("integration", "route", "mapping", "endpoint", "subscription", "key"):
        row = world.rows[name]
        row.name = SCRIPT
        row.save()
    client = world.client("admin")
    for name in world.rows:
        assert "<script>alert" not in client.get(world.page(name)).text, name


def test_html_in_instructions_is_text() -> None:
    from hub.dashboard.templatetags.hub import markdown

    shown = markdown(f"{SCRIPT} [x](javascript:alert(1)) [y](https://example.com)")
    assert "<script>" not in shown
    assert "<img" not in shown
    assert 'href="javascript' not in shown


def quick(work: Any) -> None:
    started = time.monotonic()
    work()
    assert time.monotonic() - started < SOON


def test_no_type_pattern_takes_long() -> None:
    pattern = ("*a" * 90) + "*b"
    assert not pattern_problem(pattern)
    quick(lambda: [matches(pattern, "a" * 199) for _ in range(200)])
    quick(lambda: pattern_problem("a" * 999 + " "))
    quick(lambda: pattern_problem("," * 999))


@pytest.mark.parametrize(
    "expression",
    [
        "data.rows[].rows[].rows[].rows[]",
        "data.rows[?rows[?rows[?rows[?a==`1`]]]]",
        "sort_by(data.rows, &to_string(rows))",
        "map(&map(&to_string(@), data_of), data.rows)",
        "[data,data,data,data] | [@,@,@,@] | [@,@,@,@] | [@,@,@,@] | [@,@,@,@] | to_string(@)",
        "join(',', data.rows[].to_string(@))",
        "data.rows | " + " | ".join(["[@,@][]"] * 40),
    ],
)
def test_no_filter_takes_long(expression: str) -> None:
    inner: Any = [{"a": number, "rows": []} for number in range(30)]
    for _ in range(2):
        inner = [{"a": number, "rows": inner} for number in range(30)]
    event = {"data": {"rows": inner}}
    told: list[str] = []

    def work() -> None:
        try:
            compile_expression(expression).search(event)
        except ExpressionError as error:
            told.append(str(error))

    quick(work)
    assert all(told)


def test_an_expression_without_end_is_refused() -> None:
    for text in ("[" * 5000, "a." * 5000 + "a", "!" * 5000 + "a", "(" * 3000 + "a" + ")" * 3000):
        with pytest.raises(ExpressionError):
            compile_expression(text)


EVIL = [
    "a" * 4000,
    "a" * 3999 + "!",
    "A1" * 2000 + "=",
    "https://" + "a." * 1990 + "!",
    "x:" * 2000,
    "\n" * 4000,
]


def test_no_declared_pattern_of_a_provider_takes_long() -> None:
    every = [*providers().values(), *map(get_provider, managed_slugs())]
    for provider in every:
        declared = [field for scheme in provider.auth for field in scheme.fields] + list(provider.fields)
        declared += list(provider.webhook.fields) if provider.webhook else []
        for field in declared:
            started = time.monotonic()
            for text in (
                *EVIL,
                *(field.example * 40 + bad for bad in ("!", "=", "\n", " ") if field.example),
            ):
                re.fullmatch(field.pattern or ".*", text[: field.max_length])
            assert time.monotonic() - started < SOON, (provider.slug, field.name)


@pytest.mark.parametrize(
    "pattern",
    [r"^(a+)+$", r"^(a|aa)+$", r"^(a*)*b", r"([a-z]+)*[0-9]", r"(?:x+x+)+y", r"^((ab)*|a)+$", r"(.*){5,}x"],
)
def test_a_pattern_of_a_schema_that_could_take_for_ever_is_refused(pattern: str) -> None:
    schema = {"properties": {"name": {"pattern": pattern}}}
    assert any("repeat" in problem for problem in schema_problems(schema)), pattern
    named = {"patternProperties": {pattern: {"type": "string"}}}
    assert any("repeat" in problem for problem in schema_problems(named)), pattern


@pytest.mark.parametrize(
    "pattern",
    [r"^[A-Z]{2}-\d+$", r"^[^@\s]+@[^@\s]+\.[a-z]{2,}$", r"^(foo|bar)$", r"^(\d{3}-)?\d{4}$", r"^\S+$"],
)
def test_a_usual_pattern_of_a_schema_is_taken_and_quick(pattern: str) -> None:
    schema = {"properties": {"name": {"pattern": pattern}}}
    assert schema_problems(schema) == []
    for text in ("a" * 100_000 + "!", "@" * 100_000, "1-" * 50_000):
        quick(lambda text=text: data_reasons(schema, {"name": text}))  # type: ignore[misc]


@pytest.mark.django_db
def test_a_stored_schema_with_such_a_pattern_holds_up_no_event() -> None:
    """It may have been stored before it was refused."""
    kind = make.EventTypeFactory(schema={"properties": {"name": {"pattern": "^(a+)+$"}}})

    def work() -> None:
        accept_event(kind.organization, Draft(type=kind.name, data={"name": "a" * 60 + "!"}))

    quick(work)


@pytest.mark.django_db
def test_a_key_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[int, int]] = []
    real = secrets.compare_digest

    def spy(left: Any, right: Any) -> bool:
        compared.append((len(left), len(right)))
        return real(left, right)

    monkeypatch.setattr(secrets, "compare_digest", spy)
    key = api_key()
    assert APIKey.find(key)
    assert APIKey.find(key[:-1] + ("a" if key[-1] != "a" else "b")) is None
    # Digests of one length, whatever was sent.
    assert APIKey.find(key[:20] + "x" * 5000) is None
    assert compared == [(64, 64)] * 3
    assert hmac.compare_digest is not None


SECRETLIKE = re.compile(r"(^|_)(digest|signature|secret|mac|hmac|password|token|api_key)$")


def equalities() -> Iterator[str]:
    """``==`` between two values whose names say that one of them is secret, in all of our code."""
    for folder in ("hub", "webhooks", "integrations"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Compare) or not isinstance(node.ops[0], ast.Eq | ast.NotEq):
                    continue
                sides = [node.left, *node.comparators]
                if any(isinstance(side, ast.Constant) for side in sides):
                    continue
                if any(SECRETLIKE.search(_name(side)) for side in sides):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}"


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def test_no_code_compares_a_secret_with_equals() -> None:
    assert list(equalities()) == []
