"""Everything in this folder needs a browser and commits its rows; fixtures: tests/plugins/browser.py."""

from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder."""
    for item in items:
        if Path(item.path).parent == Path(__file__).parent:
            item.add_marker("browser")
            item.add_marker(pytest.mark.django_db(transaction=True))
