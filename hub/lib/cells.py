"""Cells of files that people open in a spreadsheet, where a text may run as a formula."""

import json
from typing import Any

#: What a spreadsheet takes for a formula when a text begins with it (OWASP: CSV Injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def safe_text(text: str) -> str:
    """Return ``text`` as no spreadsheet runs it: an apostrophe stands before what looks like a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def plain_text(text: str) -> str:
    """Return what ``safe_text`` was given, so that a file that was exported can be imported again."""
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULA) else text


def csv_cell(value: Any) -> str:
    """Return a value of JSON as the text of a CSV cell; objects and lists as JSON, no value as nothing."""
    if isinstance(value, str):
        return safe_text(value)
    if value is None:
        return ""
    # Numbers, also negative ones, and JSON: no formula can be made of them.
    return json.dumps(value, ensure_ascii=False)
