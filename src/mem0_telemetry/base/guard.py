# SPDX-License-Identifier: Apache-2.0
"""The one place that catches everything: telemetry must never break the application it observes."""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` costs 10 ms, and this module is on the path of `import mem0_telemetry`
if TYPE_CHECKING:
    from logging import Logger
    from types import TracebackType

_reported: set[str] = set()


class guard:  # noqa: N801  # used as a statement: `with guard("capturing an event"):`
    """Context manager at the border to the host: an `Exception` inside is logged once at DEBUG and dropped.

    `KeyboardInterrupt`, `SystemExit` and the like pass. Costs about 0.2 µs where nothing is raised; thread-safe.

    Args:
        doing: what failed, in words, as the log record says it; one record a process for each wording.
    """

    __slots__ = ("_doing",)

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if error is None or not isinstance(error, Exception):
            return False
        note(f"failed while {self._doing}", error)
        return True


def note(text: str, error: BaseException | None = None, *, level: int = 10) -> None:
    """Log `text` once a process, at DEBUG or `level`, on our own logger. Never raises."""
    if text in _reported:
        return
    _reported.add(text)
    try:
        import logging  # noqa: PLC0415  # 14 ms, and only ever needed where something is wrong

        logger = logging.getLogger("mem0_telemetry")
        if not logger.isEnabledFor(level):
            return
        raised = (type(error), error, error.__traceback__) if error is not None else None
        record = logger.makeRecord(logger.name, level, __file__, 0, text, (), raised)
        kept: object = logger.filter(record)
        if not kept:
            return
        if isinstance(kept, logging.LogRecord):  # from Python 3.12 on a filter may answer another one
            record = kept
        logger.callHandlers(record)
        last = logging.lastResort
        if last and level >= last.level and _only_otel_hears(logger):
            last.handle(record)
    except Exception:  # noqa: S110  # the last door: there is nobody left to tell
        pass


def _only_otel_hears(logger: Logger) -> bool:
    """Return whether OpenTelemetry's instrumentation has added the only handlers: then Python prints no warning."""
    handlers = list(logger.handlers)
    while logger.propagate and logger.parent:
        logger = logger.parent
        handlers += logger.handlers
    return bool(handlers) and all(type(one).__module__.startswith("opentelemetry.") for one in handlers)
