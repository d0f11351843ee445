"""What is being recorded in the current context: an operation, or a phase of it."""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.trace import Tracer

    from mem0_telemetry.operations._calls import PhaseMethod
    from mem0_telemetry.operations._wrappers import Recording


class UnderWay(Protocol):
    """What those inside an operation may know of it."""

    instance: object
    """The object that it was called on, None when it is over."""
    tracer: Tracer | None
    """Where the spans of its phases go; None where its own span does not record, and when it is over."""

    def begin_phase(self, method: PhaseMethod, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Recording:
        """Begin a phase of it."""


CURRENT_SCOPE: Final[contextvars.ContextVar[tuple[UnderWay, object] | None]] = contextvars.ContextVar(
    "mem0_operation", default=None
)
"""An operation, and the component whose phase is being recorded, None between phases.

Carried by context, so asyncio tasks and `asyncio.to_thread` inherit it and concurrent calls never see each
other's. A task that outlives its operation keeps the scope, so what ends clears `instance` and `tracer`.
"""
