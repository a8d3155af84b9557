"""Takes secrets out of what is about to be written.

Two ways at once: the values that are known to be secret, in every form in which they travel (as
they are, percent-encoded, escaped in JSON, inside base64), and whatever stands under a name that
means a secret. Nothing here ever raises: a log that cannot be written is no log.
"""

import base64
import html
import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus, unquote_plus, urlsplit

import orjson

MASK = "•••"
#: Shorter values are no secrets, and masking them would make a text unreadable.
SHORTEST = 4

_STEMS = (
    *("password", "passwd", "passphrase", "pwd", "secret", "token", "apikey", "accesskey", "privatekey"),
    *("routingkey", "integrationkey", "signingkey", "authkey", "credential", "authorization", "assertion"),
    *("signature", "cookie", "sessionid", "bearer", "jwt", "codeverifier", "webhookurl"),
)
_WHOLE_NAMES = frozenset({"auth", "key", "sig", "pin", "cvc", "cvv", "otp", "code", "sid_token"})
#: Secrets in a query or a form; in JSON they mostly name an error or a field.
_FIELD_NAMES = frozenset({"code", "key"})
#: Names that hold a stem and are no secret.
_HARMLESS = frozenset(
    {
        "tokentype",
        "pagetoken",
        "nextpagetoken",
        "tokenendpoint",
        "accesscontrolallowcredentials",
        "passwordless",
    }
)
_PUNCTUATION = re.compile(r"[^a-z0-9]")
#: Quick look whether any name of a text may mean a secret. Searched one by one in lower case, which
#: takes a twentieth of the time of a pattern that ignores case.
_SUSPICIOUS = (
    *("pass", "pwd", "secret", "token", "key", "credential", "auth", "assertion", "sig", "cookie", "session"),
    *("bearer", "jwt", "verifier", "pin", "cvc", "cvv", "otp", "code", "webhook"),
)
_JSON_PAIR = re.compile(r'"((?:[^"\\]|\\.){1,80})"(\s*:\s*)("(?:[^"\\]|\\.)*(?:"|\\?$)|-?\d[\d.eE+-]*)')
_SPACED_NAME = re.compile(r'"\s+:')
_XML_PAIR = re.compile(r"<([\w:.-]{1,80})((?:\s[^<>]*)?)>([^<>]+)(?=<|$)")
_PART_PAIR = re.compile(r'(name="([^"]{1,80})"[^\n]*\r?\n(?:[^\n]+\r?\n)*\r?\n)(.*?)(?=\r?\n--|$)', re.DOTALL)
#: Names seen that mean no secret, to be known again at once: so many, of so many characters.
_NAMES, _LONGEST_NAME = 16_384, 80
_plain_names: set[str] = set()
_USER = re.compile(r"^([a-z][a-z0-9+.-]*://)[^/@]*@", re.IGNORECASE)
_TEXTUAL = re.compile(r"json|xml|text|html|javascript|urlencoded|graphql|yaml|csv|multipart", re.IGNORECASE)


class Redactor:
    """Masks the given secret values, and whatever stands under a name that means a secret.

    ``max_body``: characters of a body that are kept.
    """

    def __init__(self, secrets: Iterable[str] = (), max_body: int = 16 * 1024):
        self.max_body = max_body
        self._values: tuple[str, ...] = ()
        self._longest = 0
        self.add(*secrets)

    def add(self, *secrets: Any) -> None:
        """Mask these values too, from now on (an access token that was just renewed)."""
        found = set(self._values)
        for secret in secrets:
            found.update(_forms(str(secret)) if secret is not None else ())
        self._values = tuple(sorted(found, key=len, reverse=True))
        self._longest = len(self._values[0]) if self._values else 0

    def text(self, value: str) -> str:
        """Return ``value`` without the known secrets, fit for every database."""
        text = _storable(value)
        for secret in self._values:
            if secret in text:
                text = text.replace(secret, MASK)
        return text

    def url(self, value: str) -> str:
        """Return an URL without secrets in its path, its query and before its host."""
        text = self.text(value)
        front, question, rest = text.partition("?")
        query, sharp, fragment = rest.partition("#")
        if "@" in front:
            front = _USER.sub(rf"\1{MASK}@", front)
        return front + question + _masked_pairs(query) + sharp + _masked_pairs(fragment)

    def headers(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return headers whose secret values are masked; of Authorization the scheme stays."""
        shown = {str(name): self._header(str(name), str(value)) for name, value in values.items()}
        # Looked at once for all: a delivery has a dozen headers, a secret dozens of forms.
        whole = "\n".join((*shown, *shown.values()))
        if self.text(whole) == whole:
            return shown
        return {self.text(name): self.text(value) for name, value in shown.items()}

    def body(self, value: bytes, content_type: str) -> str:
        """Return a body as text: masked, and cut with a note; a binary one is only described."""
        kind = str(content_type or "").partition(";")[0].strip().lower()
        if not value:
            return ""
        if b"\x00" in value[:65536] or not (_is_textual(kind) or _is_utf8(value)):
            return f"[{len(value):,} bytes of {self.text(kind) or 'binary data'}, not shown]"
        whole = value.decode("utf-8", "replace")
        if len(whole) <= self.max_body:
            return _by_name(self.text(whole), kind)
        # A secret cut in two at the end is none that could be found: what may hold one goes too.
        start = self.text(whole[: self.max_body + self._longest])
        start = start[: min(self.max_body, len(start) - self._longest)]
        return f"{_by_name(start, kind)}\n[cut off here: {len(value):,} bytes in all]"

    def _header(self, name: str, value: str) -> str:
        low = name.lower()
        if low in ("authorization", "proxy-authorization"):
            scheme, _, rest = value.partition(" ")
            return f"{scheme} {MASK}" if rest else MASK
        if means_secret(name, value) and low not in ("www-authenticate", "idempotency-key"):
            return MASK
        return self.url(value) if "://" in value else value


def means_secret(name: str, value: Any = "") -> bool:
    """Whether what stands under ``name`` is to be hidden; counts of tokens are not."""
    return _is_secret_name(name) and not (
        isinstance(value, bool) or value is None or (_is_number(value) and "tokens" in name.lower())
    )


@lru_cache(maxsize=16384)
def _is_secret_name(name: str) -> bool:
    short = _PUNCTUATION.sub("", name.lower())
    if short in _HARMLESS:
        return False
    return short in _WHOLE_NAMES or any(stem in short for stem in _STEMS)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) or str(value).replace(".", "", 1).isdigit()


@lru_cache(maxsize=1024)
def _is_textual(kind: str) -> bool:
    return _TEXTUAL.search(kind) is not None


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except ValueError:
        return False
    return True


def _storable(value: Any) -> str:
    """Return text that PostgreSQL takes: no NUL, no lone surrogate."""
    text = value if isinstance(value, str) else str(value)
    if text.isascii():
        return text.replace("\x00", "\ufffd")
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


@lru_cache(maxsize=1024)
def _forms(secret: str) -> frozenset[str]:
    """Return the forms in which ``secret`` may stand in a request or an answer."""
    secret = secret.strip()
    if len(secret) < SHORTEST:
        return frozenset()
    plain = {secret, _storable(secret), *_lines(secret), *_url_parts(secret)}
    found = set(plain)
    for text in plain:
        found |= _escapes(text)
        found |= _base64_cores(text)
    return frozenset(form for form in found if len(form) >= SHORTEST)


def _lines(secret: str) -> list[str]:
    """Lines of a key in PEM, which may be folded otherwise elsewhere."""
    return [line for line in secret.splitlines() if len(line) >= 16 and not line.startswith("-----")]


def _url_parts(secret: str) -> list[str]:
    """Path of a secret URL: the sandbox keeps it, error texts name it."""
    if "://" not in secret:
        return []
    try:
        parts = urlsplit(secret)
    except ValueError:
        return []
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    return [text for text in (path, parts.path.rpartition("/")[2]) if len(text) >= 8]


def _escapes(text: str) -> set[str]:
    safe = text.encode("utf-8", "replace")
    percent = {quote(safe, safe=""), quote(safe), quote_plus(safe), quote(safe, safe="/:@!$&'()*+,;=~-._")}
    lower = {re.sub(r"%[0-9A-F]{2}", lambda found: found.group().lower(), form) for form in percent}
    escaped = {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    slashes = {form.replace("/", "\\/") for form in escaped}
    return (
        percent | lower | escaped | slashes | {repr(text)[1:-1], html.escape(text), html.escape(text, False)}
    )


def _base64_cores(text: str) -> set[str]:
    """Return what base64 of any text that holds ``text`` must hold: Basic pairs, encoded bodies.

    Base64 turns three bytes into four letters, so there are three ways the text may lie in it;
    letters that also depend on the neighbours are left out.
    """
    raw = text.encode("utf-8", "replace")
    cores = set()
    for offset in range(3):
        encoded = base64.b64encode(b"\x00" * offset + raw).decode()
        core = encoded[-(-offset * 8 // 6) : (offset + len(raw)) * 8 // 6]
        if len(core) >= 6:
            cores |= {core, core.replace("+", "-").replace("/", "_"), quote(core, safe="")}
    return cores


def _by_name(text: str, kind: str) -> str:
    """Mask what stands under secret names in JSON, form, XML or multipart text."""
    start = text.lstrip()[:1]
    if "json" in kind or start in "{[":
        return _masked_json(text)
    if not _is_suspicious(text):
        return text
    if "urlencoded" in kind:
        return _masked_pairs(text)
    if "multipart" in kind:
        return _PART_PAIR.sub(_by_group(2, lambda found: found.group(1) + MASK), text)
    if start == "<":
        return _XML_PAIR.sub(_by_group(1, lambda found: f"<{found.group(1)}{found.group(2)}>{MASK}"), text)
    return _masked_pairs(text) if re.fullmatch(r"[^\s=&]+=[^\s&]*(&[^\s=&]+=[^\s&]*)*", text) else text


def _is_suspicious(text: str) -> bool:
    low = text.lower()
    return any(stem in low for stem in _SUSPICIOUS)


def _by_group(number: int, change: Callable[[re.Match[str]], str]) -> Callable[[re.Match[str]], str]:
    def replace(found: re.Match[str]) -> str:
        return change(found) if means_secret(found.group(number)) else found.group()

    return replace


def _masked_json(text: str) -> str:
    # Names are looked at before anything is read: most bodies hold none that means a secret.
    if _has_plain_names(text) or not _is_suspicious(text):
        return text
    try:
        data = orjson.loads(text)
        hidden, masked = _hide(data)
    except (ValueError, RecursionError):
        return _JSON_PAIR.sub(_mask_json_pair, text)
    return json.dumps(hidden, ensure_ascii=False, separators=(",", ":")) if masked else text


def _has_plain_names(text: str) -> bool:
    """Whether no name in JSON means a secret, as far as can be told without reading it.

    A text without a backslash has quotes nowhere but around its names and values, so what stands before each
    ``":`` is a name.
    """
    if "\\" in text or _SPACED_NAME.search(text):
        return False
    names = {before.rpartition('"')[2] for before in text.split('":')[:-1]}
    if names <= _plain_names:
        return True
    if any(_hidden_in_json(name) for name in names):
        return False
    if len(_plain_names) >= _NAMES:
        _plain_names.clear()
    _plain_names.update(name for name in names if len(name) <= _LONGEST_NAME)
    return True


def _mask_json_pair(found: re.Match[str]) -> str:
    name, colon, value = found.groups()
    if not means_secret(name, value.strip('"') if value[0] == '"' else _number(value)):
        return found.group()
    return f'"{name}"{colon}"{MASK}"'


def _number(text: str) -> float:
    """Return the number that ``text`` is, or 0."""
    try:
        return float(text)
    except ValueError:
        return 0.0


def _hide(data: Any) -> tuple[Any, bool]:
    """Return ``data`` with secret names masked, and whether there was one."""
    if isinstance(data, dict):
        changed = False
        result = {}
        for name, value in data.items():
            if _to_hide(name, value):
                result[name], changed = MASK, True
            else:
                result[name], inner = _hide(value)
                changed = changed or inner
        return result, changed
    if isinstance(data, list):
        pairs = [_hide(value) for value in data]
        return [value for value, _ in pairs], any(inner for _, inner in pairs)
    return data, False


def _to_hide(name: str, value: Any) -> bool:
    return value not in ("", None, [], {}) and _hidden_in_json(name) and means_secret(name, value)


def _hidden_in_json(name: str) -> bool:
    return _is_secret_name(name) and name.lower() not in _FIELD_NAMES


def _masked_pairs(query: str) -> str:
    """Mask secret values of ``a=b&c=d``."""
    if not query or not _is_suspicious(query):
        return query
    parts = []
    for pair in query.split("&"):
        name, equals, value = pair.partition("=")
        hidden = equals and value and means_secret(_last_name(unquote_plus(name)), value)
        parts.append(name + equals + MASK if hidden else pair)
    return "&".join(parts)


def _last_name(name: str) -> str:
    """``card[token]`` → ``token``; a plain name stays."""
    names = [part for part in re.split(r"[\[\].]", name) if part and not part.isdigit()]
    return names[-1] if names else name
