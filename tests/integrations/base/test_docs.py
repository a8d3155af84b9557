"""``docs/providers.md`` is written from the declarations, and the committed one is current."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from integrations.base.docs import providers_page
from integrations.base.registry import providers


def test_the_committed_page_is_current() -> None:
    call_command("providerdocs", check=True)


def test_every_provider_action_field_and_event_is_there() -> None:
    page = providers_page(providers().values())
    for provider in providers().values():
        assert f"\n## {provider.name}\n" in page
        names = [action.name for action in provider.actions] + [field.name for field in provider.fields]
        names += [event.type for event in provider.webhook.events] if provider.webhook else []
        assert [name for name in names if f"`{name}`" not in page] == []


def test_an_old_page_is_told(tmp_path: Path) -> None:
    file = tmp_path / "providers.md"
    with pytest.raises(CommandError, match="not current"):
        call_command("providerdocs", check=True, file=file)
    call_command("providerdocs", file=file)
    call_command("providerdocs", check=True, file=file)
    file.write_text(file.read_text() + "more")
    with pytest.raises(CommandError, match="not current"):
        call_command("providerdocs", check=True, file=file)


def test_tables_are_not_broken_by_what_stands_in_them() -> None:
    rows = [line for line in providers_page(providers().values()).splitlines() if line.startswith("|")]
    assert all(line.endswith(" |") for line in rows)
