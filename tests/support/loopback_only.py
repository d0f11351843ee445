"""On import, permanently forbid the process to connect to, or look up, any other machine."""

from __future__ import annotations

import ipaddress
import sys
from typing import Any

_NAMES = {"localhost", "", None}


class NonLoopbackError(RuntimeError):
    """The process tried to reach another machine."""


def _is_loopback(host: object) -> bool:
    text = host.decode() if isinstance(host, bytes) else host
    if text in _NAMES:
        return True
    try:
        return ipaddress.ip_address(str(text)).is_loopback
    except ValueError:
        return False


def _forbid(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect" and isinstance(arguments[1], tuple) and not _is_loopback(arguments[1][0]):
        raise NonLoopbackError(f"connect to {arguments[1]}")
    if event == "socket.getaddrinfo" and not _is_loopback(arguments[0]):
        raise NonLoopbackError(f"look-up of {arguments[0]}")


sys.addaudithook(_forbid)
