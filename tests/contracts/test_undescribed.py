"""What no description covers is held by the provider's official SDK instead."""

from typing import Any

import pytest

from integrations.base.provider import Provider
from integrations.base.registry import providers
from tests.contracts.driving import ROOT, description_of


@pytest.mark.parametrize("provider", [pytest.param(p, id=slug) for slug, p in sorted(providers().items())])
def test_the_official_sdk_holds_what_no_description_covers(provider: Provider, contract_server: Any) -> None:
    described = description_of(provider) in contract_server.providers
    if not described or provider.undescribed:
        held = ROOT / "tests" / "integrations" / provider.slug / "test_sdk.py"
        assert held.is_file(), (
            f"{held.relative_to(ROOT)} is missing. No description holds these requests, so it must compare "
            "them with the provider's official SDK, or with examples that the provider publishes."
        )


def test_at_least_one_provider_is_described(contract_server: Any) -> None:
    names = {description_of(provider) for provider in providers().values()}
    assert names & set(contract_server.providers)
