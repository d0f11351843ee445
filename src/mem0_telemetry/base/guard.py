# SPDX-License-Identifier: Apache-2.0
"""The only place that catches every `Exception`: telemetry must never break the application that it observes."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # importing `typing` takes 10 ms, and `import mem0_telemetry` loads this module
if TYPE_CHECKING:
    from logging import Logger
    from types import TracebackType

_reported: set[str] = set()


class guard:  # noqa: N801  # used as a statement: `with guard("capturing an event"):`
    """Context manager between telemetry and the application: logs an `Exception` once at DEBUG and drops it.

    `KeyboardInterrupt`, `SystemExit` and the like are not caught. Costs about 0.2 µs if nothing raises; thread-safe.

    Args:
        doing: the action in words, for the log record. Each process logs one record for each text.
    """

    __slots__ = ("_doing",)

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        note(f"failed while {self._doing}", error)
        return True


class foreign_guard(guard):  # noqa: N801  # used like `guard`
    """A guard for calls of third-party code on our threads, which nothing restarts: drops every `BaseException`.

    Examples are `asyncio.CancelledError`, and `SystemExit` from a command's code. Those that are meant for the thread
    itself (`_is_for_the_thread`) are not caught.
    """

    __slots__ = ()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if error is None or _is_for_the_thread(error):
            return False
        note(f"failed while {self._doing}", error)
        return True


def _is_for_the_thread(error: BaseException) -> bool:
    """Return whether the thread must end: by Ctrl-C, by gevent's `kill`, or by a signal handler that exits."""
    if isinstance(error, (SystemExit, KeyboardInterrupt)):
        import threading  # noqa: PLC0415  # not imported by `import mem0_telemetry`

        # Signal handlers run on the main thread. On another one, third-party code has raised it.
        return threading.get_ident() == threading.main_thread().ident
    return isinstance(error, getattr(sys.modules.get("greenlet"), "GreenletExit", ()))


def note(text: str, error: BaseException | None = None, *, level: int = 10) -> None:
    """Log `text` once in this process, at DEBUG or `level`, on our own logger. Never raises an `Exception`."""
    if text in _reported:
        return
    _reported.add(text)
    try:
        import logging  # noqa: PLC0415  # takes 14 ms, and only an error needs it

        logger = logging.getLogger("mem0_telemetry")
        if not logger.isEnabledFor(level):
            return
        raised = (type(error), error, error.__traceback__) if error is not None else None
        record = logger.makeRecord(logger.name, level, __file__, 0, text, (), raised)
        kept: object = logger.filter(record)
        if not kept:
            return
        if isinstance(kept, logging.LogRecord):  # since Python 3.12, a filter may return another record
            record = kept
        logger.callHandlers(record)
        last = logging.lastResort
        if last and level >= last.level and _only_otel_hears(logger):
            last.handle(record)
    except Exception:  # noqa: S110  # nobody can handle an error of the error handler
        pass


def _only_otel_hears(logger: Logger) -> bool:
    """Return whether OpenTelemetry has added the only handlers: because of them, Python itself prints no warning."""
    handlers = list(logger.handlers)
    while logger.propagate and logger.parent:
        logger = logger.parent
        handlers += logger.handlers
    return bool(handlers) and all(type(one).__module__.startswith("opentelemetry.") for one in handlers)
