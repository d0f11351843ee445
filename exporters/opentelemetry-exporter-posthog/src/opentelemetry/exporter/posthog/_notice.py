"""The exporter's logger, and warnings that are given once a process."""

from __future__ import annotations

import logging
from typing import Final

logger: Final = logging.getLogger("opentelemetry.exporter.posthog")

_said: set[str] = set()


def warn_once(message: str, *, cause: str = "") -> None:
    """Log at WARNING, once a process, what is wrong and what to do about it.

    Args:
        message: full sentences, without a key.
        cause: what is warned of once; by default the message itself.
    """
    if (cause or message) not in _said:
        _said.add(cause or message)
        logger.warning(message)
