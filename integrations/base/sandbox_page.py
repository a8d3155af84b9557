"""The sandbox's one page: what it received, to be read by a person."""

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

STYLE = """
:root { color-scheme: light dark; --line: light-dark(#d8dce2, #363c45); --soft: light-dark(#f4f6f8, #1d2127);
  --dim: light-dark(#5b6472, #98a2b0); --ok: light-dark(#17713b, #5fd08b);
  --bad: light-dark(#b3261e, #ff8a80); }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
  background: light-dark(#fff, #14171b); color: light-dark(#1c2128, #e4e7eb); }
h1 { font-size: 1.5rem; margin: 0 0 .25rem } p, .dim { color: var(--dim) }
nav a { margin-right: .75rem } a { color: light-dark(#1a4fb4, #8ab4f8) }
details { border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0; overflow: hidden }
summary { padding: .5rem .75rem; cursor: pointer; display: flex; gap: .75rem; flex-wrap: wrap }
summary:focus-visible { outline: 2px solid currentColor; outline-offset: -2px }
summary code { overflow-wrap: anywhere; flex: 1 1 16rem }
.ok { color: var(--ok); font-weight: 600 } .bad { color: var(--bad); font-weight: 600 }
button { font: inherit; padding: .45rem 1.1rem; border-radius: .5rem; border: 1px solid var(--line);
  cursor: pointer; background: var(--soft); color: inherit }
button.main { background: #4f39f6; border-color: #4f39f6; color: #fff }
pre { background: var(--soft); margin: 0; padding: .75rem; overflow: auto; white-space: pre-wrap;
  overflow-wrap: anywhere; border-top: 1px solid var(--line); font-size: 13px }
"""


def render(received: Sequence[Any], names: Mapping[str, str], chosen: str) -> str:
    """Return the page: ``received`` newest first, ``names`` the providers by slug."""
    links = [_link("", "All", chosen)] + [_link(slug, name, chosen) for slug, name in names.items()]
    rows = "".join(_row(one, names) for one in received)
    empty = "<p>Nothing yet. Send an event whose route leads to an integration in sandbox mode.</p>"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sandbox</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body><h1>Sandbox</h1>"
        "<p>It plays the providers: nothing that is sent here leaves this machine. The latest requests, "
        f"newest first.</p><nav aria-label='Provider'>{''.join(links)}</nav><main>{rows or empty}</main>"
        "</body></html>"
    )


def _link(slug: str, name: str, chosen: str) -> str:
    current = ' aria-current="page"' if slug == chosen else ""
    return (
        f'<a href="/?slug={escape(slug)}"{current}>{escape(name)}</a>'
        if slug
        else (f'<a href="/"{current}>{escape(name)}</a>')
    )


def _row(one: Any, names: Mapping[str, str]) -> str:
    kind = "ok" if one.status < 300 else "bad"
    query = "?" + "&".join(f"{key}={value}" for key, value in one.query.items()) if one.query else ""
    headers = "\n".join(f"{name}: {value}" for name, value in sorted(one.headers.items()))
    answered = f"Answered from {one.answered_by}" if one.answered_by else "Nothing fitted"
    return (
        f"<details><summary><span class='{kind}'>{one.status}</span>"
        f"<span>{escape(names.get(one.slug, one.slug))}</span>"
        f"<code>{escape(one.method)} {escape(one.path + query)}</code>"
        f"<time class='dim' datetime='{escape(one.at)}'>{escape(one.at[11:19])} UTC</time></summary>"
        f"<pre>{escape(headers)}</pre><pre>{escape(_pretty(one.body))}</pre>"
        f"<pre class='dim'>{escape(answered)}</pre></details>"
    )


def _pretty(body: str) -> str:
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body or "(no body)"
