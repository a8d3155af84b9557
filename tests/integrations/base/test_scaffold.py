"""``manage.py startprovider`` writes a provider that keeps the contract."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

import integrations
from integrations.base.fixtures import Request
from integrations.base.sandbox import Sandbox
from integrations.base.testing import ProviderContract


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A second folder of providers, beside the project's own."""
    folder = tmp_path / "integrations"
    folder.mkdir()
    monkeypatch.setattr(integrations, "__path__", [*integrations.__path__, str(folder)])
    yield folder
    for name in [name for name in sys.modules if name.startswith("integrations.acme")]:
        del sys.modules[name]


def start(root: Path, **changes: str) -> None:
    options = {"slug": "acme_crm", "name": "Acme's CRM & more", "category": "crm"} | changes
    call_command("startprovider", options.pop("slug"), directory=root, **options)


def test_what_is_written_keeps_the_contract(root: Path) -> None:
    start(root)
    provider = importlib.import_module("integrations.acme_crm.provider").PROVIDER
    cases = list(ProviderContract(provider).cases())
    assert len(cases) > 12
    for case in cases:
        case.run()


def test_what_is_written_is_played_by_the_sandbox(root: Path) -> None:
    start(root)
    provider = importlib.import_module("integrations.acme_crm.provider").PROVIDER
    sandbox = Sandbox({"acme_crm": provider})
    assert sandbox.answer(Request("POST", "/acme_crm/v1/records", body=b"{}")).status == 201


@pytest.mark.parametrize("slug", ["acme_crm", "zeta"])
def test_what_is_written_is_well_formatted(root: Path, slug: str) -> None:
    start(root, slug=slug)
    config = Path(__file__).resolve().parents[3] / "pyproject.toml"
    for arguments in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *arguments, "--config", str(config)]
        command += ["--config", "lint.isort.known-first-party = ['integrations']", str(root)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"slug": "Acme-CRM"}, "small letters"),
        ({"slug": "../acme"}, "small letters"),
        ({"category": "nonsense"}, "no category 'nonsense'"),
        ({"name": 'A"B'}, "without quotes"),
        ({"name": "  "}, "must be one line"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(root: Path, changes: dict[str, str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        start(root, **changes)
    assert list(root.iterdir()) == []


def test_an_existing_folder_is_left_alone(root: Path) -> None:
    start(root)
    (root / "acme_crm" / "provider.py").write_text("mine")
    with pytest.raises(CommandError, match="there already"):
        start(root)
    assert (root / "acme_crm" / "provider.py").read_text() == "mine"
