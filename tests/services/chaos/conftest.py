"""The seed of the run, and the report at its end."""

import os
import random
from collections.abc import Iterator

import pytest

from tests.services.chaos.machines import own_rabbitmq
from tests.services.chaos.report import LINES
from tests.services.chaos.stack import Stack, scaled_out

#: The same in each run, so that a change is judged and not its luck; ``CHAOS_SEED=0`` draws one.
SEED = os.environ.get("CHAOS_SEED", "11")
if SEED == "0":
    SEED = str(random.SystemRandom().randrange(1, 10**6))


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """This test's own chance: the same in every run with the same CHAOS_SEED, whatever else runs."""
    return random.Random(f"{SEED} {request.node.name}")


@pytest.fixture(scope="package")
def over_redis() -> Iterator[Stack]:
    """A scaled-out hub with Redis as its broker: one for the whole suite, it must survive it."""
    with scaled_out() as running:
        yield running


@pytest.fixture(scope="package")
def over_rabbitmq() -> Iterator[Stack]:
    """Another one with a RabbitMQ as its broker."""
    with own_rabbitmq() as rabbitmq, scaled_out(rabbitmq) as running:
        yield running


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Name the seed beside a failure."""
    outcome = yield
    found = outcome.get_result()
    if found.failed:
        found.sections.append(("chaos", f"CHAOS_SEED={SEED} repeats the moments of this run."))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what each scenario found."""
    if LINES:
        terminalreporter.section(f"chaos (CHAOS_SEED={SEED})")
        for line in LINES:
            terminalreporter.line(line)
