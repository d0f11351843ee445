# SPDX-License-Identifier: Apache-2.0
"""Our threads are invisible to the application: to its instrumentation, tracing and log handlers."""

from __future__ import annotations

import logging
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from opentelemetry import context as otel_context

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SUPPRESSION_KEYS: Final = (
    # What instrumentations look at, in the spellings of all releases; `instrumentation.utils` would have to
    # be imported.
    "suppress_instrumentation",
    "suppress_http_instrumentation",
    *(
        key
        for name in ("_SUPPRESS_INSTRUMENTATION_KEY", "_SUPPRESS_HTTP_INSTRUMENTATION_KEY")
        if (key := getattr(otel_context, name, None)) is not None
    ),
)


@contextmanager
def isolated(loggers: Sequence[str]) -> Iterator[None]:
    """Hide what the calling thread does from instrumentations, for good, and from `loggers`, for the `with` block.

    Args:
        loggers: exact names: filters are not inherited.
    """
    context = otel_context.get_current()
    for key in _SUPPRESSION_KEYS:
        context = otel_context.set_value(key, True, context)
    otel_context.attach(context)
    me = _here()

    def silent(_: logging.LogRecord) -> bool:
        return _here() != me  # of levels, handlers and other threads nothing changes

    for name in loggers:
        logging.getLogger(name).addFilter(silent)
    try:
        yield
    finally:
        for name in loggers:
            logger = logging.getLogger(name)
            # The list is replaced, not changed: a thread of the application may be walking through it.
            logger.filters = [known for known in logger.filters if known is not silent]


def _here() -> tuple[int, int]:
    """Return process and thread: in a forked child, a thread of the application may have the same identifier."""
    return os.getpid(), threading.get_ident()
