"""What tests of the outbound door share: policies that allow loopback, and names with chosen addresses."""

import socket
from typing import Any

import pytest

from hub.lib.outbound import Policy


def allowed(*hosts: str, **limits: Any) -> Policy:
    return Policy(allowed_hosts=frozenset(hosts or {"127.0.0.1"}), **limits)


def resolving(monkeypatch: pytest.MonkeyPatch, **names: list[str]) -> list[str]:
    """Answer these names with these addresses, one list entry per look-up, and every other as ever."""
    real, asked = socket.getaddrinfo, []

    def getaddrinfo(host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        answers = names.get(host.replace(".", "_"))
        if answers is None:
            return real(host, port, *args, **kwargs)
        asked.append(host)
        address = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            (
                socket.AF_INET6 if ":" in each else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (each, port, 0, 0) if ":" in each else (each, port),
            )
            for each in address.split()
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked
