"""Finds the providers: every folder of ``integrations/`` with a ``provider.py`` is one."""

import importlib
from functools import lru_cache
from pathlib import Path

from integrations.base.provider import Provider

ROOT = Path(__file__).resolve().parent.parent


@lru_cache(maxsize=1)
def providers() -> dict[str, Provider]:
    """Return every provider that can be connected, by slug, in the order of their names."""
    return {slug: provider for slug, provider in _found().items() if not provider.managed_by}


def managed_slugs(managed_by: str = "") -> list[str]:
    """Return the slugs of providers whose integrations the hub itself makes: all, or one part's."""
    return [
        slug
        for slug, provider in _found().items()
        if provider.managed_by and managed_by in ("", provider.managed_by)
    ]


@lru_cache(maxsize=1)
def _found() -> dict[str, Provider]:
    found = [_load(path.parent.name) for path in ROOT.glob("*/provider.py") if path.parent.name != "base"]
    return {provider.slug: provider for provider in sorted(found, key=lambda p: p.name.lower())}


def get_provider(slug: str) -> Provider:
    """Return one provider, a managed one too; raise KeyError naming those there are."""
    known = providers()
    if slug not in known and slug in managed_slugs():
        return _found()[slug]
    try:
        return known[slug]
    except KeyError:
        raise KeyError(
            f"There is no provider {slug!r}; there are: {', '.join(sorted(providers()))}."
        ) from None


def _load(folder: str) -> Provider:
    provider = importlib.import_module(f"integrations.{folder}.provider").PROVIDER
    if not isinstance(provider, Provider) or provider.slug != folder:
        raise TypeError(f"integrations/{folder}/provider.py must define PROVIDER with slug {folder!r}.")
    return provider
