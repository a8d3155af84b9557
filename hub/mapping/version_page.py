"""The page of a mapping's versions: who saved what and when, what changed, and bringing one back."""

from itertools import pairwise
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect

from hub.accounts.pages import HubAdmin
from hub.mapping.models import FieldMapping, MappingVersion
from hub.mapping.versions import compare, latest_version, restore

#: Versions on the page, the newest first.
SHOWN = 50


def show(site: HubAdmin, request: HttpRequest, mapping: FieldMapping) -> HttpResponse:
    """List the versions; each with what it changed and, but for the present one, what restoring would."""
    found: list[MappingVersion] = list(mapping.versions.all()[: SHOWN + 1])
    entries = [_entry(version, before, mapping) for version, before in pairwise([*found, None]) if version]
    for entry, after in zip(entries[1:], found, strict=False):
        entry["until"] = after.created_at
    return site.render(
        request,
        "mapping/versions.html",
        mapping,
        page_words="Versions",
        entries=entries[:SHOWN],
        more=len(found) > SHOWN,
        editor_url=site.url("change", mapping.pk),
    )


def restored(site: HubAdmin, request: HttpRequest, mapping: FieldMapping) -> HttpResponse:
    """Bring the version with the posted ``number`` back and go to the editor."""
    number = request.POST.get("number", "")
    version = mapping.versions.filter(number=int(number)).first() if _is_number(number) else None
    if version is None:
        raise Http404("There is no such version.")
    restore(version, request.user)
    latest = latest_version(mapping)
    messages.success(
        request,
        f"Version {version.number} is back, as version {latest.number if latest else 1}. "
        "New deliveries use it at once.",
    )
    return HttpResponseRedirect(site.url("change", mapping.pk))


def _entry(version: MappingVersion, before: MappingVersion | None, mapping: FieldMapping) -> dict[str, Any]:
    lines = compare(before, version)
    return {
        "version": version,
        "lines": lines,
        "came": sum(line.mark == "+" for line in lines),
        "went": sum(line.mark == "-" for line in lines),
        "restoring": [line for line in compare(mapping, _with_name_of(version, mapping)) if line.mark],
        "until": None,
    }


def _with_name_of(version: MappingVersion, mapping: FieldMapping) -> MappingVersion:
    """Return the version under the mapping's present name, which restoring keeps."""
    return MappingVersion(
        name=mapping.name, provider_slug=version.provider_slug, action=version.action, rules=version.rules
    )


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) < 9
