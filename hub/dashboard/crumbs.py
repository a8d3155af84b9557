"""Where one is: the head of every page, in the words of the menu."""

from collections.abc import Mapping
from typing import Any

from django.urls import NoReverseMatch, reverse

from hub.dashboard.theme import NAVIGATION

Step = dict[str, str]


def trail(context: Mapping[str, Any]) -> dict[str, Any]:
    """Return the steps ``before`` this page (``title``, ``link``) and the title ``here``.

    ``context`` is a page's: Django's ``opts``, ``cl``, ``original`` and ``title``.
    """
    title = str(context.get("title") or "")
    opts = context.get("opts")
    steps = [step for step in (_listed(opts), _row(context)) if step] if opts else []
    if not steps:
        return {"before": [], "here": title or "Interchange"}
    if context.get("cl"):
        return {"before": [], "here": steps[0]["title"]}
    here = context.get("page_words") or (steps.pop()["title"] if len(steps) > 1 else title)
    return {"before": steps, "here": here}


def _listed(opts: Any) -> Step | None:
    """The list that a page belongs to, named as the menu names it."""
    try:
        link = reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
    except NoReverseMatch:
        return None
    named = (item["title"] for group in NAVIGATION for item in group["items"] if str(item["link"]) == link)
    return {"title": next(named, str(opts.verbose_name_plural).capitalize()), "link": link}


def _row(context: Mapping[str, Any]) -> Step | None:
    row = context.get("original") or context.get("object")
    if row is None or isinstance(row, str):
        return None
    link = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    return {"title": str(row), "link": link}
