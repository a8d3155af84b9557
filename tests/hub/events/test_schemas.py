"""What does not fit a schema, in words."""

import pytest

from hub.events.schemas import data_reasons


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("email", "bad-mail", "'bad-mail' is no e-mail address"),
        ("date", "21.11.2026", "'21.11.2026' is no date such as 2026-11-21"),
        ("uuid", "7", "'7' is no UUID"),
    ],
)
def test_a_format_is_called_by_its_name(kind: str, value: str, words: str) -> None:
    schema = {"type": "object", "properties": {"held": {"type": "string", "format": kind}}}
    [reason] = data_reasons(schema, {"held": value})
    assert words in reason
