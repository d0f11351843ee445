# SPDX-License-Identifier: Apache-2.0
"""What the wrappers, the operations and their phases share: which method is called, and what is under way.

Nothing here imports OpenTelemetry, which a process that calls Mem0 may not have imported.
"""

from __future__ import annotations

import contextvars
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:  # it imports OpenTelemetry
    from mem0_telemetry.operations._operation import Operation


class Method(NamedTuple):
    """A method that is an operation, with what is the same for all of its calls."""

    name: str
    parameter: str
    """Its first parameter, where that says something about the call."""
    hosted: bool
    """Whether it calls Mem0's hosted API."""
    labels: Mapping[str, Any]
    """Attributes of its spans and of its measurements."""
    attributes: Mapping[str, Any]
    """Attributes of its spans, the labels among them."""


class PhaseMethod(NamedTuple):
    """A method of a component's interface that is a phase of an operation."""

    interface: str
    name: str
    span_name: str


CURRENT_SCOPE: Final[contextvars.ContextVar[tuple[Operation, object] | None]] = contextvars.ContextVar(
    "mem0_operation", default=None
)
"""An operation, and the component whose phase is being recorded, None between phases.

Carried by context, so asyncio tasks and `asyncio.to_thread` inherit it and concurrent calls never see each
other's. A task that outlives its operation keeps the scope, so what ends clears `instance` and `tracer`.
"""
