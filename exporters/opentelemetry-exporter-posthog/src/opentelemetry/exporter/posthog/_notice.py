"""The exporter's few words: a misconfiguration once a process, everything else at DEBUG."""

from __future__ import annotations

import logging
from typing import Final

logger: Final = logging.getLogger("opentelemetry.exporter.posthog")

_said: set[str] = set()


def warn_once(message: str, *, cause: str = "") -> None:
    """Say at WARNING, once a process, what is wrong and what to do about it.

    Args:
        message: in full sentences, without a key.
        cause: what counts as said once; by default the message itself.
    """
    _say_once(logging.WARNING, message, cause)


def debug_once(message: str) -> None:
    """Say at DEBUG, once a process, what was ignored."""
    _say_once(logging.DEBUG, message, "")


def _say_once(level: int, message: str, cause: str) -> None:
    if (cause or message) not in _said:
        _said.add(cause or message)
        logger.log(level, message)
