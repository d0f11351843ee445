# SPDX-License-Identifier: Apache-2.0
"""Hide our threads from the application's instrumentations, tracing and log handlers."""

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
    # The context keys that instrumentations of all releases check, as text to avoid importing `instrumentation.utils`.
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
    """Hide the calling thread from instrumentations permanently, and from `loggers` during the `with` block.

    `loggers` are exact names, because child loggers do not inherit filters.
    """
    context = otel_context.get_current()
    for key in _SUPPRESSION_KEYS:
        context = otel_context.set_value(key, True, context)
    otel_context.attach(context)
    me = _here()

    def silent(_: logging.LogRecord) -> bool:
        return _here() != me  # levels, handlers and the records of other threads stay as they are

    for name in loggers:
        logging.getLogger(name).addFilter(silent)
    try:
        yield
    finally:
        for name in loggers:
            logger = logging.getLogger(name)
            # Replace the list, do not change it: a thread of the application may be iterating over it.
            logger.filters = [known for known in logger.filters if known is not silent]


def _here() -> tuple[int, int]:
    """Return the process and thread ids: in a forked child, an application's thread may reuse our thread's id."""
    return os.getpid(), threading.get_ident()
