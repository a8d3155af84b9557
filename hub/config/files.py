"""Reads documents from files for the commands, and says what is wrong in plain lines."""

import sys
from pathlib import Path

from django.core.management.base import CommandError

from hub.config.document import ConfigError, Document, read_document


def read_file(name: str) -> Document:
    """Return the document in the file ``name`` (``-``: standard input); raise CommandError."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{name} cannot be read: {error}") from None
    try:
        return read_document(text)
    except ConfigError as error:
        raise refusal(name, error) from None


def refusal(name: str, error: ConfigError) -> CommandError:
    """Return the error that ends a command: a line per mistake."""
    count = len(error.mistakes)
    heading = (
        f"{name} cannot be applied; {count} {'mistake' if count == 1 else 'mistakes'}, nothing was changed:"
    )
    return CommandError("\n".join((heading, *(f"  {mistake}" for mistake in error.mistakes))))
