"""Whatever a provider declares is what the provider's own API description asks for.

The cases come from the declarations: a new provider, action, pull or scheme is driven unasked.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from integrations.base.connection_tests import prove
from integrations.base.fixtures import call_fixture
from integrations.base.provider import Action, Provider, Pull
from integrations.base.results import Page, Result
from tests.contracts.driving import Driver, described_providers

Drive = Callable[[Provider], Driver]

PROVIDERS = described_providers()
ACTIONS = [
    pytest.param(provider, action, id=f"{provider.slug}-{action.name}")
    for provider in PROVIDERS
    for action in provider.actions
]
BATCHES = [case for case in ACTIONS if case.values[1].run_many is not None]
PULLS = [
    pytest.param(provider, pull, id=f"{provider.slug}-{pull.name}")
    for provider in PROVIDERS
    for pull in provider.pulls
]
SCHEMES = [
    pytest.param(provider, scheme.key, id=f"{provider.slug}-{scheme.key}")
    for provider in PROVIDERS
    for scheme in provider.auth
]


@pytest.mark.parametrize(("provider", "action"), ACTIONS)
def test_an_action_sends_what_is_described(provider: Provider, action: Action, drive: Drive) -> None:
    driver, fixture = drive(provider), call_fixture(provider, "actions", action.name)
    ctx = driver.context_for(fixture)
    result = action.run(ctx, driver.input(action, fixture))
    driver.assert_kept(ctx)
    assert isinstance(result, Result)


@pytest.mark.parametrize(("provider", "action"), BATCHES)
def test_a_batch_gives_one_outcome_for_each_input(provider: Provider, action: Action, drive: Drive) -> None:
    driver, fixture = drive(provider), call_fixture(provider, "actions", action.name)
    assert action.run_many is not None
    ctx = driver.context_for(fixture)
    data = driver.input(action, fixture)
    outcomes = action.run_many(ctx, [data, data])
    driver.assert_kept(ctx)
    assert len(outcomes) == 2


@pytest.mark.parametrize("since", [None, timedelta(days=1)], ids=["all", "since"])
@pytest.mark.parametrize(("provider", "pull"), PULLS)
def test_a_pull_reads_to_the_last_page(
    provider: Provider, pull: Pull, since: timedelta | None, drive: Drive
) -> None:
    driver, fixture = drive(provider), call_fixture(provider, "pulls", pull.name)
    ctx = driver.context_for(fixture)
    start = datetime.now(UTC) - since if since else None
    page, cursor = Page([]), None
    for _ in range(5):
        page = pull.read(ctx, cursor, start)
        cursor = page.next_cursor
        if cursor is None:
            break
    driver.assert_kept(ctx)
    assert page.next_cursor is None, "The answers announce no further page, but the pull goes on."


@pytest.mark.parametrize(("provider", "auth"), SCHEMES)
def test_a_connection_test_is_described(provider: Provider, auth: str, drive: Drive) -> None:
    driver = drive(provider)
    ctx = driver.context(auth)
    prove(provider, auth, ctx)
    driver.assert_kept(ctx)
