# SPDX-License-Identifier: Apache-2.0
"""The public functions that act on this process's telemetry.

They import this package inside their guard: a signal handler that calls one may interrupt the import that it needs.
"""

from __future__ import annotations

import sys

from mem0_telemetry.base.guard import guard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider

    from mem0_telemetry.pipeline.pipeline import Pipeline


def set_enabled(enabled: bool) -> None:  # noqa: FBT001  # part of the public signature
    """Switch usage telemetry of this process off, or withdraw that. Thread-safe; never raises.

    Args:
        enabled: `False` switches off from the next call on. When it returns, all events that this process has queued
            and spooled are deleted, except a batch whose writing takes over a second: the writer deletes that one.
            `True` only withdraws an earlier `False`: it overrides neither an environment variable nor
            `mem0-telemetry disable`. A string is read like `MEM0_TELEMETRY`; any other value is off.
    """
    with guard("switching telemetry"):
        from mem0_telemetry.environment_variables import says_on  # noqa: PLC0415
        from mem0_telemetry.usage.current import usage  # noqa: PLC0415

        usage.set_enabled(says_on(enabled))


def get_logger_provider() -> LoggerProvider:
    """Return the private `LoggerProvider` of usage telemetry, or OpenTelemetry's `NoOpLoggerProvider` if it is off.

    Before the first event, this call builds the provider and creates the installation id. Records emitted on the
    provider are selected against the registry like our own: an unregistered event is dropped and counted.
    """
    from opentelemetry._logs import NoOpLoggerProvider  # noqa: PLC0415  # 48 ms, needed only here

    with guard("building the private provider"):
        from mem0_telemetry.usage.current import usage  # noqa: PLC0415

        if pipeline := usage.recorder.pipeline_if_allowed():
            return pipeline.logger_provider()
    return NoOpLoggerProvider()


def flush(timeout: float = 5) -> bool:
    """Wait until every destination is done with all events accepted before this call.

    Args:
        timeout: seconds to wait at most.

    Returns:
        True when done (delivered, or dropped and counted), False when time ran out. Never raises.
    """
    with guard("flushing"):
        pipeline = _pipeline()
        return pipeline is None or pipeline.delivery.flush(_bounded(timeout))
    return False


def shutdown(timeout: float | None = None) -> bool:
    """Write the whole queue to disk, send for the rest of `timeout`, and stop. Idempotent; never raises.

    Args:
        timeout: seconds the network may take; default: `MEM0_TELEMETRY_EXIT_TIMEOUT` (0.5).

    Returns:
        True when every destination is done with all events accepted before this call. Unsent events stay on disk.
    """
    with guard("shutting down"):
        pipeline = _pipeline()
        if pipeline is None:
            return True
        return pipeline.delivery.shutdown(pipeline.exit_timeout if timeout is None else _bounded(timeout))
    return False


def _pipeline() -> Pipeline | None:
    """Return the pipeline, or None if it has not been built. Imports nothing."""
    current = sys.modules.get("mem0_telemetry.usage.current")
    return current.usage.recorder.pipeline if current is not None else None


def _bounded(timeout: float) -> float:
    """Limit `timeout` to the range of a wait, 0 to one day: infinity is too long for a lock."""
    return min(max(0.0, timeout), 86_400.0)
