"""One thing of a document on its own: what the API writes goes the way that ``apply`` goes."""

from collections.abc import Mapping

from django.db import transaction

from hub.accounts.models import Organization
from hub.config.changes import Report
from hub.config.document import ConfigError, Document, Entry, Mistake
from hub.config.service import PARTS, plan
from hub.config.snapshot import export
from hub.config.work import Work


def save_entry(
    organization: Organization, section: str, entry: Entry, secrets: Mapping[str, str] | None = None
) -> Report:
    """Make or change what ``entry`` of a document's ``section`` describes; return what was changed.

    ``secrets``: secret field → value, for entries that have ``credential_env``; a blank one keeps what is
    there. Raises ConfigError, whose places begin inside the entry (``settings.region``).
    """
    given = {name: value for name, value in (secrets or {}).items() if value}
    if given:
        # A name stands for itself: no variable of the hub's environment is ever read for a caller.
        entry = entry.model_copy(update={"credential_env": {name: name for name in given}})
        entry.model_fields_set.add("credential_env")
    work = Work(organization, given)
    with transaction.atomic():
        PARTS[section](work, 0, entry)
        if work.mistakes:
            raise ConfigError([_inside(mistake, f"{section}[0]") for mistake in work.mistakes])
    return work.report


def problems_of(organization: Organization) -> list[Mistake]:
    """Return what is wrong with the configuration as it is stored: a provider that is gone, a broken rule.

    The stored configuration is planned as if it came from a file; nothing is changed.
    """
    try:
        plan(Document.model_validate(export(organization)), environ={})
    except ConfigError as error:
        return error.mistakes
    return []


def _inside(mistake: Mistake, prefix: str) -> Mistake:
    place = mistake.place.removeprefix(prefix).removeprefix(".")
    return Mistake(place.replace("credential_env", "credential"), mistake.message)
