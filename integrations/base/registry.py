"""Finds the providers: every folder of ``integrations/`` with a ``provider.py`` is one."""

import importlib
from functools import lru_cache
from pathlib import Path

from integrations.base.provider import Provider

ROOT = Path(__file__).resolve().parent.parent


@lru_cache(maxsize=1)
def providers() -> dict[str, Provider]:
    """Return every provider by slug, in the order of their names."""
    found = [_load(path.parent.name) for path in ROOT.glob("*/provider.py") if path.parent.name != "base"]
    return {provider.slug: provider for provider in sorted(found, key=lambda p: p.name.lower())}


def get_provider(slug: str) -> Provider:
    """Return one provider; raise KeyError naming those there are."""
    try:
        return providers()[slug]
    except KeyError:
        raise KeyError(
            f"There is no provider {slug!r}; there are: {', '.join(sorted(providers()))}."
        ) from None


def _load(folder: str) -> Provider:
    provider = importlib.import_module(f"integrations.{folder}.provider").PROVIDER
    if not isinstance(provider, Provider) or provider.slug != folder:
        raise TypeError(f"integrations/{folder}/provider.py must define PROVIDER with slug {folder!r}.")
    return provider
