"""Whichever request of an action fails, and however, the engine is told what to do about it."""

from collections.abc import Callable

import pytest

from integrations.base.errors import IntegrationError, RateLimited, TransientError
from integrations.base.fixtures import call_fixture
from integrations.base.provider import Action, Provider
from tests.contracts.driving import Driver, described_providers, description_of

Drive = Callable[[Provider], Driver]

ACTIONS = [
    pytest.param(provider, action, id=f"{provider.slug}-{action.name}")
    for provider in described_providers()
    for action in provider.actions
]
FAILURES = [
    pytest.param(429, {"Retry-After": "7"}, RateLimited, id="429"),
    pytest.param(503, {}, TransientError, id="503"),
    pytest.param(0, {}, TransientError, id="connection-lost"),
]


@pytest.mark.parametrize(("status", "headers", "kind"), FAILURES)
@pytest.mark.parametrize(("provider", "action"), ACTIONS)
def test_a_failure_at_any_step_is_understood(
    provider: Provider,
    action: Action,
    status: int,
    headers: dict[str, str],
    kind: type[IntegrationError],
    drive: Drive,
) -> None:
    driver, fixture = drive(provider), call_fixture(provider, "actions", action.name)
    data = driver.input(action, fixture)
    action.run(driver.context_for(fixture), data)
    steps = len(driver.seen)
    assert steps or driver.undescribed, "The action sent nothing."
    for step in range(steps):
        driver.contracts.clear()
        if step:
            driver.contracts.fail_next(description_of(provider), status=None, times=step)
        driver.contracts.fail_next(description_of(provider), status=status, headers=headers)
        ctx = driver.context_for(fixture)
        with pytest.raises(kind):
            action.run(ctx, data)
        assert driver.contracts.violations == []
        assert len(driver.seen) == step + 1, "The action went on after a step had failed."
