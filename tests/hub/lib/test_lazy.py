"""What is loaded late must be there all the same when it is used."""

import subprocess
import sys

import pytest

from hub.lib.lazy import lazy

PROBE = """
import sys
from hub.lib.lazy import lazy
calendar = lazy("zoneinfo")
before = "zoneinfo._common" in sys.modules
zone = calendar.ZoneInfo("Europe/Berlin")
print(before, "zoneinfo._common" in sys.modules, zone.key)
"""


def test_it_is_loaded_when_it_is_used_and_not_before() -> None:
    told = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["False", "True", "Europe/Berlin"]


def test_what_is_loaded_already_is_the_same() -> None:
    assert lazy("subprocess") is subprocess


def test_what_is_not_there_is_told_at_once() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_library is not installed"):
        lazy("no_such_library")
