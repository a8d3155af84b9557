"""Every provider that is found keeps the contract."""

import pytest

from integrations.base.registry import providers
from integrations.base.testing import Case, ProviderContract

CASES = [
    pytest.param(case, id=f"{slug}-{case}")
    for slug, provider in sorted(providers().items())
    for case in ProviderContract(provider).cases()
]


@pytest.mark.parametrize("case", CASES)
def test_contract(case: Case) -> None:
    case.run()
