# SPDX-License-Identifier: Apache-2.0
"""What the wrappers, the operations and their phases share: which method is called, and what is under way.

Nothing here imports OpenTelemetry, which a process that calls Mem0 may not have imported.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:  # the application is the first to import it
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, Tracer, TracerProvider

RequestHook: TypeAlias = "Callable[[Span, object, Sequence[Any], Mapping[str, Any]], None]"
ResponseHook: TypeAlias = "Callable[[Span, object, Any], None]"


class Settings:
    """The arguments of `install`, None by default. Read at every call, so a change counts at once."""

    def __init__(self) -> None:
        self.tracer_provider: TracerProvider | None = None
        self.meter_provider: MeterProvider | None = None
        self.request_hook: RequestHook | None = None
        self.response_hook: ResponseHook | None = None


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


class CurrentOperation(Protocol):
    """What those inside an operation may know of it."""

    instance: object
    """The object that it was called on, None when it is over."""
    tracer: Tracer | None
    """Where the spans of its phases go; None where its own span does not record, and when it is over."""


CURRENT_SCOPE: Final[contextvars.ContextVar[tuple[CurrentOperation, object] | None]] = contextvars.ContextVar(
    "mem0_operation", default=None
)
"""An operation, and the component whose phase is being recorded, None between phases.

Carried by context, so asyncio tasks and `asyncio.to_thread` inherit it and concurrent calls never see each
other's. A task that outlives its operation keeps the scope, so what ends clears `instance` and `tracer`.
"""
