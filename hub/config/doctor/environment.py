"""What the settings and the machine say, without asking any service."""

import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks, mail
from django.http.request import validate_host

from hub.config.doctor.finding import Finding, advice, ok, problem
from hub.connections.canary import check_keys
from hub.connections.lost import loss
from hub.lib.keyring import KeyringError, keyring

#: What Django itself asks of a key.
LONG, VARIED = 50, 5
LITTLE_SPACE = 1024**3
NEARLY_FULL = 0.05
#: Django's checks that ours tell better.
TOLD_BETTER = {"security.W009", "security.W018", "security.W020", "security.W012", "security.W016"}
LOCAL = {"localhost", "127.0.0.1", "::1"}


def debug() -> Iterator[Finding]:
    """Whether errors show the code to everybody."""
    if settings.DEBUG:
        yield problem("debug mode", "HUB_DEBUG is on: an error shows code and settings.", "Unset HUB_DEBUG.")
    else:
        yield ok("debug mode", "Off.")


def secret_key() -> Iterator[Finding]:
    """Whether sessions and signatures can be forged."""
    key = settings.SECRET_KEY
    if len(key) < LONG or len(set(key)) < VARIED:
        yield problem(
            "secret key",
            f"HUB_SECRET_KEY has {len(key)} characters of {len(set(key))} kinds; that can be guessed.",
            f"Set a random one of {LONG} characters or more. Everybody has to sign in anew then.",
        )
    else:
        yield ok("secret key", "Long and varied enough.")


def address() -> Iterator[Finding]:
    """Whether the public address is one that others can use safely."""
    parts = urlsplit(settings.HUB.url)
    if parts.scheme == "https":
        yield ok("address", f"{settings.HUB.url}, with TLS.")
    elif parts.hostname in LOCAL:
        yield advice(
            "address",
            f"HUB_URL is {settings.HUB.url}: only this machine finds it, and no provider's webhook.",
            "For others, put a proxy with TLS in front and set HUB_URL to its https:// address.",
        )
    else:
        yield problem(
            "address",
            f"HUB_URL is {settings.HUB.url}: passwords, API keys and webhooks travel in clear text.",
            "Put a proxy with TLS in front and set HUB_URL to its https:// address.",
        )


def allowed_hosts() -> Iterator[Finding]:
    """Whether the public address is answered, and no other."""
    host = urlsplit(settings.HUB.url).hostname or ""
    if "*" in settings.ALLOWED_HOSTS:
        yield problem(
            "allowed hosts", "HUB_ALLOWED_HOSTS is *: the hub answers to any name.", f"Set it to {host}."
        )
    elif not validate_host(host, settings.ALLOWED_HOSTS):
        yield problem(
            "allowed hosts",
            f"HUB_ALLOWED_HOSTS ({', '.join(settings.ALLOWED_HOSTS)}) lacks {host} of HUB_URL: "
            "requests to the public address get 400.",
            f"Add {host} to HUB_ALLOWED_HOSTS.",
        )
    else:
        yield ok("allowed hosts", ", ".join(settings.ALLOWED_HOSTS))


def encryption_keys() -> Iterator[Finding]:
    """Whether every stored credential opens, and nobody else can read the keys."""
    try:
        check_keys()
    except KeyringError as error:
        yield problem("encryption keys", str(error), "Until then no credential can be read.")
        return
    ring = keyring()
    if (found := loss()) is not None:
        yield (problem if found.total else advice)(
            "encryption keys",
            found.sentence,
            "Connect again what the admin shows as 'Needs reconnecting', then remove HUB_LOST_KEYS.",
        )
        return
    yield ok("encryption keys", f"{len(ring.ids)} ({', '.join(ring.ids)}); all stored data opens.")
    for name in ("encryption.key", "secret.key"):
        path = settings.HUB.home / name
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield problem(
                "encryption keys", f"Other users of this machine may read {path}.", f"chmod 600 {path}"
            )


def files() -> Iterator[Finding]:
    """Whether the hub's folder is its own, and the admin has its style sheets."""
    home = settings.HUB.home
    if home.exists() and stat.S_IMODE(home.stat().st_mode) & 0o077:
        yield problem("files", f"Other users of this machine may look into {home}.", f"chmod 700 {home}")
    if not Path(settings.STATIC_ROOT).is_dir():
        yield problem(
            "files",
            f"There are no static files in {settings.STATIC_ROOT}: the admin has no style.",
            "Run 'python manage.py collectstatic --noinput' where the web process sees that folder.",
        )
    else:
        yield ok("files", f"In {home}.")


def disk() -> Iterator[Finding]:
    """Whether there is room in the hub's folder."""
    home = settings.HUB.home
    if not home.exists():
        return
    usage = shutil.disk_usage(home)
    free = f"{usage.free / 1024**3:.1f} GiB of {usage.total / 1024**3:.1f} GiB are free at {home}."
    if usage.free < LITTLE_SPACE or usage.free < NEARLY_FULL * usage.total:
        yield problem("disk", free, "Make room, or lower HUB_RETENTION_DAYS; a full disk stops intake.")
    else:
        yield ok("disk", free)


def email() -> Iterator[Finding]:
    """Whether mail can be sent."""
    if not settings.HUB.sends_mail:
        yield advice(
            "e-mail",
            "No mail server is set: reports and alarms are only shown in the admin.",
            "Set HUB_EMAIL_URL, for example smtp+tls://user:password@mail.example.com:587",
        )
        return
    try:
        connection = mail.get_connection()
        connection.open()
        connection.close()
    except OSError as error:
        yield problem(
            "e-mail", f"{settings.EMAIL_HOST} takes no mail from here: {error}", "Check HUB_EMAIL_URL."
        )
    else:
        yield ok("e-mail", f"{settings.EMAIL_HOST or 'The backend'} takes mail.")


def django_checks() -> Iterator[Finding]:
    """What ``manage.py check --deploy`` says, but for what is told above."""
    told = [each for each in checks.run_checks(include_deployment_checks=True) if each.id not in TOLD_BETTER]
    for each in told:
        if each.level >= checks.ERROR:
            yield problem("Django", f"{each.id}: {each.msg}", str(each.hint or "See Django's documentation."))
    warnings = [str(each.id) for each in told if each.level == checks.WARNING]
    if warnings:
        yield advice(
            "Django",
            f"'manage.py check --deploy' warns of {', '.join(sorted(warnings))}.",
            "A proxy that redirects to HTTPS and sends HSTS sees to W004 and W008; run it for the others.",
        )
    elif not told:
        yield ok("Django", "'manage.py check --deploy' has nothing to say.")
