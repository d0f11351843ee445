"""Ready-made filters for spans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

_OF_AI: Final = ("gen_ai.", "llm.", "ai.", "traceloop.")
"""What PostHog's own span processor for AI observability takes, by name or by a key."""


def local_roots(span: ReadableSpan) -> bool:
    """Keep the spans with which work enters this process: their parent is absent, or in another process."""
    return span.parent is None or span.parent.is_remote


def ai_spans(span: ReadableSpan) -> bool:
    """Keep the spans of calls of models."""
    return span.name.startswith(_OF_AI) or any(key.startswith(_OF_AI) for key in span.attributes or ())


def not_ai_spans(span: ReadableSpan) -> bool:
    """Keep the others: those of AI go to PostHog's AI observability by its own span processor."""
    return not ai_spans(span)


FOR_SPANS: Final = {
    "all": None,
    "local_roots": local_roots,
    "ai_spans": ai_spans,
    "not_ai_spans": not_ai_spans,
}
FOR_LOGS: Final = {"all": None}
