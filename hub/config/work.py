"""What every part of applying a document works with."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.accounts.models import Organization
from hub.config.changes import Report
from hub.config.document import Mistake, place
from hub.connections.models import Integration


@dataclass(slots=True)
class Work:
    """One run over a document: whose it is, what it changed, what is wrong with it."""

    organization: Organization
    environ: Mapping[str, str]
    report: Report = field(default_factory=Report)
    mistakes: list[Mistake] = field(default_factory=list)
    #: (what, slug) of entries with mistakes: what refers to them is not reproached as well.
    failed: set[tuple[str, str]] = field(default_factory=set)

    def wrong(self, message: str, *steps: str | int) -> None:
        """Note a mistake at a place of the file."""
        self.mistakes.append(Mistake(place(*steps), message))

    def one_of(self, what: str, given: str, known: Iterable[str], *steps: str | int) -> bool:
        """Whether ``given`` is known; note a mistake that names what there is, where it is not."""
        names = sorted(known)
        if given in names:
            return True
        if (what, given) in self.failed:
            return False
        there = f"there are: {', '.join(names)}" if names else "there is none yet"
        self.wrong(f"there is no {what} '{given}'; {there}", *steps)
        return False

    def integration(self, slug: str, *steps: str | int) -> Integration | None:
        """Return the integration that a file names; note a mistake where there is none that it may name."""
        rows = self.organization.integrations
        known = {row.slug: row for row in rows.listed()}
        if slug not in known and rows.filter(slug=slug).exists():
            self.wrong("a part of the hub manages by itself what this names; choose another", *steps)
            return None
        return known[slug] if self.one_of("integration", slug, known, *steps) else None

    def secrets(
        self, names: Mapping[str, str], known: Iterable[str], stored: Mapping[str, str], *steps: str | int
    ) -> dict[str, str]:
        """Return the values of the environment variables in ``names``, by field.

        A variable that is not set leaves a stored secret as it is; where none is stored it is a mistake.
        """
        found = {}
        for name, variable in names.items():
            at = (*steps, "credential_env", name)
            value = self.environ.get(variable, "")
            if not self.one_of("secret", name, known, *at):
                continue
            if value:
                found[name] = value
            elif name not in stored:
                self.wrong(f"the environment variable {variable} is not set; set it and try again", *at)
        return found


def merged(before: Mapping[str, Any] | None, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Lay what the file says over what there is; objects are merged one level deep."""
    result = dict(before or {})
    for name, value in entry.items():
        old = result.get(name)
        # A schema or an example is one value; only these two are collections of settings.
        is_bag = name in ("settings", "limits") and isinstance(old, Mapping)
        result[name] = {**old, **value} if is_bag and isinstance(old, Mapping) else value
    return result
