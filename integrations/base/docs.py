"""Writes ``docs/providers.md`` from the providers' declarations."""

from collections.abc import Iterable, Iterator

from integrations.base.auth import AuthScheme
from integrations.base.capabilities import CAPABILITIES
from integrations.base.fields import Field
from integrations.base.provider import CATEGORIES, Provider

_HEAD = """# Providers

Written by `python manage.py providerdocs` from the declarations in `integrations/`; a test holds that it is
current. How to add one: `python manage.py startprovider SLUG --name "…" --category …`, fill in what it
writes, and run `pytest tests/integrations/test_contract.py -k SLUG`.
"""


def providers_page(providers: Iterable[Provider]) -> str:
    """Return the page as Markdown."""
    listed = sorted(providers, key=lambda provider: provider.name.lower())
    parts = [_HEAD, _overview(listed), _capabilities(listed)]
    return "\n".join([*parts, *(_provider(provider) for provider in listed)]).rstrip() + "\n"


def _overview(providers: list[Provider]) -> str:
    rows = [
        (
            f"[{one.name}](#{_anchor(one.name)})",
            f"`{one.slug}`",
            CATEGORIES[one.category],
            str(len(one.actions)),
            str(len(one.pulls)),
            "yes" if one.webhook else "no",
        )
        for one in providers
    ]
    return _table(("provider", "slug", "category", "actions", "pulls", "webhooks"), rows)


def _capabilities(providers: list[Provider]) -> str:
    rows = []
    for name, model in CAPABILITIES.items():
        able = [
            one.name for one in providers for each in one.actions if each.name == name and each.capability
        ]
        needed = [f"`{key}`" for key, held in model.model_fields.items() if held.is_required()]
        rows.append((f"`{name}`", ", ".join(able) or "none yet", ", ".join(needed)))
    text = (
        "## Capabilities\n\nProviders of one capability can stand in for each other as a route's fallback.\n"
    )
    return f"{text}\n{_table(('capability', 'providers', 'needed fields'), rows)}"


def _provider(provider: Provider) -> str:
    return "\n".join(_sections(provider))


def _sections(provider: Provider) -> Iterator[str]:
    limit = provider.rate_limit
    yield f"## {provider.name}\n"
    yield f"{provider.summary}\n"
    yield f"- Category: {CATEGORIES[provider.category]}; slug: `{provider.slug}`"
    yield f"- API: <{provider.docs_url}>"
    yield f"- Addresses: {', '.join(f'`{url}`' for url in provider.base_urls.values())}"
    yield f"- Limit unless set otherwise: {limit.count} requests per {limit.seconds} s"
    for told in provider.limit_headers:
        yield f"- Waits where `{told.remaining}` says 0, until `{told.reset}` ({told.form})"
    yield ""
    for scheme in provider.auth:
        yield f"### {provider.name}: fields ({scheme.label})\n"
        fields = provider.fields_for(scheme.key)
        yield _fields(fields) if fields else "None.\n"
        yield _account(scheme) + "\n"
    yield f"### {provider.name}: actions\n"
    rows = [(f"`{one.name}`", one.label, _first_sentence(one.help)) for one in provider.actions]
    yield _table(("action", "label", "what it does"), rows)
    if provider.pulls:
        yield f"### {provider.name}: pulls\n"
        yield _table(("pull", "what is read"), [(f"`{one.name}`", one.label) for one in provider.pulls])
    if provider.webhook:
        yield f"### {provider.name}: webhooks\n"
        # On the form the address stands above the text; here it does not.
        yield provider.webhook.setup.replace("the address above", "the endpoint's address") + "\n"
        yield _fields(provider.webhook.fields)
        yield _table(
            ("event type", "what happened"),
            [(f"`{event.type}`", event.label) for event in provider.webhook.events],
        )


def _account(scheme: AuthScheme) -> str:
    if scheme.account_by:
        return f"On reconnecting, another account is told by {scheme.account_by}."
    return "The hub cannot tell which account such a credential belongs to."


def _fields(fields: Iterable[Field]) -> str:
    rows = [
        (
            field.label,
            f"`{field.name}`",
            "secret" if field.secret else "setting",
            "yes" if field.required and field.default is None else "no",
            field.help,
        )
        for field in fields
    ]
    return _table(("field", "name", "kind", "needed", "help"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _first_sentence(text: str) -> str:
    flat = " ".join(text.split())
    return flat.split(". ")[0].rstrip(".") + "."


def _anchor(name: str) -> str:
    kept = "".join(c for c in name.lower() if c.isalnum() or c in " -_")
    return kept.replace(" ", "-")
