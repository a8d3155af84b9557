"""Nothing outside a provider's folder names its slug: adding one changes no other file."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations.base.registry import providers

ROOT = Path(__file__).resolve().parents[2]
CODE = [
    path
    for folder in ("hub", "webhooks", "integrations/base")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "migrations" not in path.parts
]
PAGES = sorted((ROOT / "templates").rglob("*.html")) + sorted((ROOT / "static").rglob("*.js"))
#: Slugs that are also words of the trade: they count only where a slug is meant.
WORDS = frozenset({"http"})
#: Names that OpenTelemetry's semantic conventions give to attributes of spans.
CONVENTIONS = ("http.request.", "http.response.")
SLUG_NAMES = frozenset({"slug", "provider", "provider_slug"})


def named_slugs(source: str) -> Iterator[tuple[int, str]]:
    """Yield (line, slug) of every string literal that is a slug, or begins with one and a dot."""
    tree = ast.parse(source)
    documentation = {id(text) for text in _docstrings(tree)}
    meant = {id(text) for text in _meant_as_slug(tree)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in documentation:
            continue
        slug = node.value.split(".")[0]
        if node.value.startswith(CONVENTIONS):
            continue
        if slug not in providers() or not re.fullmatch(r"[a-z0-9_.*]+", node.value):
            continue
        if slug not in WORDS or id(node) in meant or node.value.startswith(f"{slug}."):
            yield node.lineno, node.value


def _docstrings(tree: ast.AST) -> Iterator[ast.Constant]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value


def _meant_as_slug(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield what is compared with, passed as or looked up by a slug."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in SLUG_NAMES:
            yield node.value
        elif isinstance(node, ast.Compare) and _is_slug(node.left):
            yield from (part for each in node.comparators for part in ast.walk(each))
        elif isinstance(node, ast.Call) and _called(node) == "get_provider":
            yield from node.args
        elif isinstance(node, ast.Subscript) and _called(node.value) == "providers":
            yield node.slice


def _is_slug(node: ast.AST) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name in SLUG_NAMES


def _called(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def test_no_code_names_a_provider() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line} names {text!r}"
        for path in CODE
        for line, text in named_slugs(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_no_page_names_a_provider() -> None:
    names = "|".join(sorted(set(providers()) - WORDS))
    literal = re.compile(rf"""["']({names})["']""")
    found = [
        f"{path.relative_to(ROOT)} names {match[1]}"
        for path in PAGES
        for match in literal.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        'if integration.provider_slug == "stripe": pass',
        'kind = "stripe.invoice.paid"',
        'get_provider("http")',
        'providers()["http"]',
        'Integration(provider_slug="http")',
        'if provider.slug in ("http", "x"): pass',
        'LOGOS = {"slack": "#"}',
    ],
)
def test_a_named_slug_is_found(source: str) -> None:
    assert list(named_slugs(source))


@pytest.mark.parametrize(
    "source",
    [
        '"""Written after slack."""',
        'if url.scheme in ("http", "https"): pass',
        'def f():\n    """stripe"""',
        'text = "Connect slack first."',
    ],
)
def test_other_words_are_none(source: str) -> None:
    assert list(named_slugs(source)) == []
