"""Shorter turns are for as long as somebody needs them."""

import sys

import pytest

from hub.lib.turns import SHORT, short_turns


def test_turns_are_short_until_the_last_who_asked_is_through() -> None:
    usual = sys.getswitchinterval()
    with short_turns():
        with short_turns():
            pass
        assert sys.getswitchinterval() == pytest.approx(SHORT)
    assert sys.getswitchinterval() == pytest.approx(usual)


def test_they_end_also_where_the_work_fails() -> None:
    usual = sys.getswitchinterval()
    with pytest.raises(RuntimeError), short_turns():
        raise RuntimeError
    assert sys.getswitchinterval() == pytest.approx(usual)
