"""Our threads are invisible to the application: to its instrumentation, tracing and log handlers."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from mem0_telemetry.delivery import fork_gate
from opentelemetry import context as otel_context

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def suppress_instrumentation() -> None:
    """Have no instrumentation record what this thread's context does from here on."""
    context = otel_context.get_current()
    for key in _SUPPRESSION_KEYS:
        context = otel_context.set_value(key, True, context)
    otel_context.attach(context)


class SilentThreads(logging.Filter):
    """Drops the log records that our threads cause on loggers of others.

    Levels, handlers and the records of other threads are not touched.
    """

    def __init__(self) -> None:
        super().__init__()
        self._threads: set[int] = set()
        fork_gate.after_fork_in_child(self._forget_threads)

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002  # it is about who says it
        """Return whether the record may pass."""
        return threading.get_ident() not in self._threads

    def silence(self, loggers: Sequence[str]) -> None:
        """Silence the calling thread on exactly these loggers (filters are not inherited)."""
        self._threads.add(threading.get_ident())
        for name in loggers:
            logging.getLogger(name).addFilter(self)

    def restore(self, loggers: Sequence[str]) -> None:
        """Take the filter off again, as the calling thread ends.

        The list is replaced, not changed: a thread of the application may be walking through it.
        """
        self._threads.discard(threading.get_ident())
        for name in loggers:
            logger = logging.getLogger(name)
            logger.filters = [known for known in logger.filters if known is not self]

    def _forget_threads(self) -> None:
        """Forget them in a forked child: they are gone, and the application may get their identifiers."""
        self._threads = set()
