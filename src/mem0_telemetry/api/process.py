# SPDX-License-Identifier: Apache-2.0
"""The public functions that act on this process's telemetry.

What they import is inside their guard: a signal handler that calls one may interrupt the very import that it needs.
"""

from __future__ import annotations

import sys

from mem0_telemetry.base.guard import guard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider

    from mem0_telemetry.pipeline.pipeline import Pipeline


def set_enabled(enabled: bool) -> None:  # noqa: FBT001  # the public name takes it so
    """Switch usage telemetry of this process off, or withdraw that. Thread-safe; never raises.

    Args:
        enabled: `False` is off at the next call, and deletes what this process has queued and spooled: all of it
            when it returns, though it waits no longer than a second for a batch that is just being written. `True`
            only withdraws an earlier `False`: it never overrides an environment variable or `mem0-telemetry disable`.
            A text is read as `MEM0_TELEMETRY` is; anything else is off.
    """
    with guard("switching telemetry"):
        from mem0_telemetry.environment_variables import says_on  # noqa: PLC0415
        from mem0_telemetry.usage.current import usage  # noqa: PLC0415

        usage.set_enabled(says_on(enabled))


def get_logger_provider() -> LoggerProvider:
    """Return the private `LoggerProvider` of usage telemetry, or OpenTelemetry's `NoOpLoggerProvider` where it is off.

    Asked for before the first event, the provider is built then, the installation id included. Records emitted on
    it are selected against the registry like our own: an event that is not registered is dropped and counted.
    """
    from opentelemetry._logs import NoOpLoggerProvider  # noqa: PLC0415  # 48 ms, and only for who asks

    with guard("building the private provider"):
        from mem0_telemetry.usage.current import usage  # noqa: PLC0415

        if pipeline := usage.recorder.pipeline_if_allowed():
            return pipeline.logger_provider()
    return NoOpLoggerProvider()


def flush(timeout: float = 5) -> bool:
    """Wait until every destination is done with all events accepted before this call.

    Args:
        timeout: seconds; never exceeded.

    Returns:
        True when done (delivered, or dropped and counted), False when time ran out. Never raises.
    """
    with guard("flushing"):
        pipeline = _pipeline()
        return pipeline is None or pipeline.delivery.flush(_bounded(timeout))
    return False


def shutdown(timeout: float | None = None) -> bool:
    """Write the queue in full, give the network what is left of `timeout`, and stop. Idempotent; never raises.

    Args:
        timeout: seconds the network may take; default: `MEM0_TELEMETRY_EXIT_TIMEOUT` (0.5).

    Returns:
        True when every destination is done with all events accepted before this call. What is not waits on disk.
    """
    with guard("shutting down"):
        pipeline = _pipeline()
        if pipeline is None:
            return True
        return pipeline.delivery.shutdown(pipeline.exit_timeout if timeout is None else _bounded(timeout))
    return False


def _pipeline() -> Pipeline | None:
    """Return where events go, or None where there has been no event. Imports nothing."""
    current = sys.modules.get("mem0_telemetry.usage.current")
    return current.usage.recorder.pipeline if current is not None else None


def _bounded(timeout: float) -> float:
    """Return the seconds that a wait can take: infinity and the like are a day."""
    return min(max(0.0, timeout), 86_400.0)
