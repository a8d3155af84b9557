"""The server that holds requests against the providers' descriptions, and the sandbox beside it."""

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from integrations.base.provider import Provider
from tests.contracts.driving import FOLDER, Driver
from tests.playing import playing


@pytest.fixture(scope="session")
def contract_server() -> Iterator[Any]:
    """The running server, loaded from the folder of descriptions."""
    if not FOLDER.is_dir():
        reason = f"There are no API descriptions in {FOLDER}; name their folder in CONTRACTS_DIR."
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    spec = importlib.util.spec_from_file_location("contract_server", FOLDER / "contract_server.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # dataclasses look their module up by name.
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "contract_server", module)
        spec.loader.exec_module(module)
        with module.ContractServer() as server:
            yield server


@pytest.fixture
def contracts(contract_server: Any) -> Iterator[Any]:
    """The server, with nothing remembered and no failure scripted."""
    contract_server.clear()
    yield contract_server
    contract_server.clear()


@pytest.fixture(scope="session")
def sandbox_url() -> Iterator[str]:
    """The built-in sandbox on a free port, for what no description covers."""
    with playing() as (_, address):
        yield address


@pytest.fixture
def drive(contracts: Any, sandbox_url: str) -> Callable[[Provider], Driver]:
    """Make a driver of a provider."""
    return lambda provider: Driver(provider, contracts, sandbox_url)
