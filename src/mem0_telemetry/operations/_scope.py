"""What is being recorded in the current context: an operation, and the component at work inside it."""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer


class UnderWay(Protocol):
    """What those inside an operation may know of it."""

    instance: object
    """The object that it was called on, None when it is over."""
    tracer: Tracer | None
    """Where the spans of its phases go."""
    over: bool
    """Whether it has ended."""


class Scope:
    """An operation under way, and the component whose phase is being recorded, None between phases."""

    __slots__ = ("component", "operation")

    def __init__(self, operation: UnderWay, component: object = None) -> None:
        self.operation = operation
        self.component = component


CURRENT_SCOPE: Final[contextvars.ContextVar[Scope | None]] = contextvars.ContextVar(
    "mem0_operation", default=None
)
"""Carried by context, so asyncio tasks and `asyncio.to_thread` inherit it and concurrent calls never see each
other's.

A task that outlives its operation keeps its scope: ask `operation.over` before believing it.
"""
