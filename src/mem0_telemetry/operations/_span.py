"""A span that is current in its context while it lasts. Imports OpenTelemetry, so it is imported last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

from mem0_telemetry.operations import _content, _semconv
from mem0_telemetry.operations._scope import CURRENT_SCOPE, Scope
from opentelemetry import context

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.trace import Span, Tracer
    from opentelemetry.util.types import AttributeValue

_SUPPRESSED = "suppress_instrumentation"  # the key that `opentelemetry.instrumentation.utils` sets


def is_suppressed() -> bool:
    """Tell whether instrumentation is suppressed in this context."""
    return bool(context.get_value(_SUPPRESSED))


class CurrentSpan:
    """A scope of ours, and the span that stands for it where there is a tracer. Begins when it is made."""

    __slots__ = ("_context_token", "_scope_token", "span")

    def __init__(
        self,
        tracer: Tracer | None,
        scope: Scope,
        *,
        name: str,
        attributes: Mapping[str, AttributeValue],
        client: bool = False,
    ) -> None:
        self.span: Span | None = None
        self._context_token = None
        if tracer is not None:
            kind = SpanKind.CLIENT if client else SpanKind.INTERNAL
            self.span = tracer.start_span(name, kind=kind, attributes=attributes)
            self._context_token = context.attach(set_span_in_context(self.span))
        self._scope_token = CURRENT_SCOPE.set(scope)

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        if self.span is not None and attributes:
            self.span.set_attributes(attributes)

    def fail(self, error: BaseException) -> None:
        """Mark the span as failed: `error.type` and status; the conventions advise against an event."""
        if self.span is not None and self.span.is_recording():
            self.span.set_attribute(_semconv.ERROR_TYPE, error_type(error))
            self.span.set_status(Status(StatusCode.ERROR, _content.description_of(error)))

    def end(self) -> None:
        """End the span, and make current what was current before."""
        try:
            CURRENT_SCOPE.reset(self._scope_token)
        except ValueError:
            pass  # a coroutine that was closed from another context: there is nothing of ours in this one
        else:
            if self._context_token is not None:
                context.detach(self._context_token)
        if self.span is not None:
            self.span.end()


def error_type(error: BaseException) -> str:
    """Return the fully qualified name of an exception's class, a builtin's without its module."""
    cls = type(error)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
