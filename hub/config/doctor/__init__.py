"""Examines a deployment and says in plain sentences what to change: ``manage.py doctor``."""

import logging
from collections.abc import Callable, Iterable

from hub.config.doctor import capacity, database, environment, processes, services
from hub.config.doctor.finding import Finding, problem

__all__ = ["Finding", "examine"]

logger = logging.getLogger(__name__)

CHECKS: dict[str, Callable[[], Iterable[Finding]]] = {
    "debug mode": environment.debug,
    "secret key": environment.secret_key,
    "address": environment.address,
    "allowed hosts": environment.allowed_hosts,
    "encryption keys": environment.encryption_keys,
    "files": environment.files,
    "disk": environment.disk,
    "e-mail": environment.email,
    "Django": environment.django_checks,
    "database": database.kind,
    "migrations": database.migrations,
    "clock": database.clock,
    "broker": services.broker,
    "Redis": services.redis,
    "TLS": capacity.encryption_on_the_way,
    "replica": capacity.replica,
    "retention": capacity.retention,
    "quotas": capacity.quotas,
    "workers": processes.workers,
    "scheduler": processes.scheduler,
    "deliveries": processes.deliveries,
}


def examine() -> list[Finding]:
    """Return what every check found, in their order. A check that fails is a problem itself."""
    found: list[Finding] = []
    for name, check in CHECKS.items():
        try:
            found += check()
        except Exception as error:  # one broken thing must not hide what the other checks say
            logger.debug("The check %s failed", name, exc_info=True)
            why = (str(error).splitlines() or [""])[0][:300]
            message = f"Could not be checked: {type(error).__name__}: {why}"
            found.append(problem(name, message, "Mend what the other lines name first, then ask again."))
    return found
