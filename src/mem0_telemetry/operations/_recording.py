# SPDX-License-Identifier: Apache-2.0
"""Record one call, of an operation or a phase. This imports OpenTelemetry, so only `Recorder.prepare` loads it."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import Token
from typing import Any

from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.util.types import AttributeValue

from mem0_telemetry.base.guard import guard
from mem0_telemetry.operations import _content, _semconv
from mem0_telemetry.operations._calls import CURRENT_SCOPE, CurrentOperation
from opentelemetry import context

_ENDING = guard("recording the end of a call")
_SUPPRESSED = "suppress_instrumentation"  # the key that `opentelemetry.instrumentation.utils` sets


class Recording:
    """A call in progress, with a scope and a span that is current. Raises no exception of its own.

    The call is the `with` block, which must assign its return value to `result`. Exceptions of the call propagate.
    """

    def __init__(self, scope: tuple[CurrentOperation, object]) -> None:
        self.result: Any = None
        self.span: Span | None = None
        """The span, or None if it does not record."""
        self._context_token: Token[context.Context] | None = None
        self._scope_token = CURRENT_SCOPE.set(scope)

    @staticmethod
    def unsuppressed_context() -> context.Context | None:
        """Return the current context, or None if instrumentation is suppressed in it."""
        around = context.get_current()
        return None if around.get(_SUPPRESSED) else around

    def _start(
        self,
        tracer: Tracer | None,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, AttributeValue],
        around: context.Context,
    ) -> None:
        """Start a span and make it current, even if it does not record: spans below it must not record either."""
        if tracer is not None:
            span = tracer.start_span(name, around, kind, attributes)
            self._context_token = context.attach(set_span_in_context(span, around))
            if span.is_recording():
                self.span = span

    def __enter__(self) -> None:
        """Do nothing: the call has already begun."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Record the result or the exception of the call, and end the span."""
        with _ENDING:
            try:
                if error is not None:
                    self._read_error(error, error_type(error))
                elif self.span is not None:
                    self._read_result(self.span, self.result)
            finally:
                self._end()

    def _read_result(self, span: Span, result: Any) -> None:
        """Set the span's attributes that depend on the result."""
        raise NotImplementedError

    def _read_error(self, error: BaseException, kind: str) -> None:
        """Mark the span as failed with `error.type` and a status. The conventions advise against an exception event."""
        if self.span is not None:
            self.span.set_attribute(_semconv.ERROR_TYPE, kind)
            self.span.set_status(Status(StatusCode.ERROR, _content.description_of(error)))

    def _end(self) -> None:
        """Restore the previous scope and context, and end the span."""
        self.result = None  # a task that outlives the call would keep it alive
        try:
            CURRENT_SCOPE.reset(self._scope_token)
        except ValueError:
            pass  # the coroutine was closed from another context, where we have set nothing
        else:
            if self._context_token is not None:
                context.detach(self._context_token)
        if self.span is not None:
            self.span.end()


def error_type(error: BaseException) -> str:
    """Return the qualified name of an exception's class, with its module unless that is `builtins`."""
    cls = type(error)
    name = cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    return _content.encodable(name)
