"""Ready-made filters, and which of them an exporter uses."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.exporter.posthog._notice import warn_once
from opentelemetry.exporter.posthog.environment_variables import OTEL_EXPORTER_POSTHOG_SPANS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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


_BY_NAME: Final[dict[str, Mapping[str, Callable[[Any], object] | None]]] = {
    "log": {"all": None},
    "span": {
        "all": None,
        "local_roots": local_roots,
        "ai_spans": ai_spans,
        "not_ai_spans": not_ai_spans,
    },
}


def filter_of(given: object, signal: str) -> Callable[[Any], object] | None:
    """Return the filter that the argument is or names, else that of the environment; None keeps everything."""
    if callable(given):
        return given
    if given is None and signal == "log":
        return None
    known = _BY_NAME[signal]
    found = (
        os.environ.get(OTEL_EXPORTER_POSTHOG_SPANS, "").strip() or "local_roots" if given is None else given
    )
    name = found.strip().lower() if isinstance(found, str) else ""
    if name in known:
        return known[name]
    names = ", ".join(map(repr, known))
    if given is None:
        warn_once(
            f"{OTEL_EXPORTER_POSTHOG_SPANS} is none of {names}, so only local roots are exported (every span becomes "
            "a billed event)."
        )
        return local_roots
    warn_once(
        f"The argument 'filter' is not a callable or one of {names}, so nothing is exported to PostHog: correct it."
    )
    return _refuse


def _refuse(_: object) -> bool:
    """Raise for each record, so that all of them count as those of a filter that fails."""
    raise TypeError("the filter is none")
