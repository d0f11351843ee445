# SPDX-License-Identifier: Apache-2.0
"""Definitions that the wrappers, the operations and their phases share: settings, methods, the current operation.

This module does not import OpenTelemetry, because a process that calls Mem0 may not have imported it.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:  # the application must import it first
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, Tracer, TracerProvider

RequestHook: TypeAlias = "Callable[[Span, object, Sequence[Any], Mapping[str, Any]], None]"
ResponseHook: TypeAlias = "Callable[[Span, object, Any], None]"


class Settings:
    """The arguments of `install`, None by default. Every call reads them, so a change takes effect at once."""

    def __init__(self) -> None:
        self.tracer_provider: TracerProvider | None = None
        self.meter_provider: MeterProvider | None = None
        self.request_hook: RequestHook | None = None
        self.response_hook: ResponseHook | None = None


class Method(NamedTuple):
    """A method that is an operation, with the values that all of its calls share."""

    name: str
    parameter: str
    """Its first parameter if that describes the call, otherwise an empty string."""
    hosted: bool
    """Whether it calls Mem0's hosted API."""
    labels: Mapping[str, Any]
    """Attributes of its spans and of its measurements."""
    attributes: Mapping[str, Any]
    """Attributes of its spans, including the labels."""


class PhaseMethod(NamedTuple):
    """A method of a component's interface that is a phase of an operation."""

    interface: str
    name: str
    span_name: str


class CurrentOperation(Protocol):
    """The current operation, as its phases and the calls inside it see it."""

    instance: object
    """The object that it was called on, or None after its end."""
    tracer: Tracer | None
    """The tracer for its phases. None if the operation's own span does not record, and after its end."""


CURRENT_SCOPE: Final[contextvars.ContextVar[tuple[CurrentOperation, object] | None]] = contextvars.ContextVar(
    "mem0_operation", default=None
)
"""The current operation, and the component whose phase is being recorded, or None between phases.

The context carries it, so asyncio tasks and `asyncio.to_thread` inherit it, and concurrent calls never see each
other's. A task that outlives its operation keeps it, so the operation clears `instance` and `tracer` at its end.
"""
