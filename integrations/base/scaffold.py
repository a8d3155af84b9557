"""Writes the folder of a new provider from the files in ``template/``."""

import re
from pathlib import Path
from string import Template

from integrations.base.provider import CATEGORIES

TEMPLATE = Path(__file__).resolve().parent / "template"
SUFFIX = ".template"


class ScaffoldError(ValueError):
    """The folder cannot be written; the message says what to give instead."""


def write_provider(root: Path, slug: str, name: str, category: str) -> list[Path]:
    """Write ``root/<slug>/`` and return its files; raise ScaffoldError, and then nothing is written.

    What is written keeps the contract as it is: a plausible JSON API, to be filled in.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{1,39}", slug):
        raise ScaffoldError("The slug is the folder's name: small letters, digits and _, a letter first.")
    if category not in CATEGORIES:
        raise ScaffoldError(f"There is no category {category!r}; there are: {', '.join(CATEGORIES)}.")
    if not name.strip() or '"' in name or "\\" in name or "\n" in name:
        raise ScaffoldError("The name must be one line, without quotes and backslashes.")
    folder = root / slug
    if folder.exists():
        raise ScaffoldError(f"{folder} is there already; choose another slug or remove it.")
    values = {"slug": slug, "name": name.strip(), "category": category}
    return [_write(path, folder, values) for path in sorted(TEMPLATE.rglob(f"*{SUFFIX}"))]


def _write(source: Path, folder: Path, values: dict[str, str]) -> Path:
    relative = str(source.relative_to(TEMPLATE)).removesuffix(SUFFIX)
    target = folder / relative.replace("__slug__", values["slug"])
    target.parent.mkdir(parents=True, exist_ok=True)
    text = Template(source.read_text(encoding="utf-8")).substitute(values)
    target.write_text(_sorted_imports(text), encoding="utf-8")
    return target


def _sorted_imports(text: str) -> str:
    """Where the import of the provider's own module belongs depends on the slug."""
    return re.sub(
        r"(^from integrations\.\S+ import [^(\n]+\n)+",
        lambda block: "".join(sorted(block[0].splitlines(keepends=True))),
        text,
        flags=re.MULTILINE,
    )
