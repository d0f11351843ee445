# SPDX-License-Identifier: Apache-2.0
"""Built-in filters, and the choice of an exporter's filter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.exporter.posthog._settings import source_and_value
from opentelemetry.exporter.posthog._warnings import warn_once

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import ReadableSpan

_AI_NAMES: Final = ("gen_ai.", "llm.", "ai.", "traceloop.")
"""PostHog's own span processor for AI observability selects span names and attribute keys by these prefixes."""


def local_roots(span: ReadableSpan) -> bool:
    """Keep the spans that begin work in this process: their parent is absent or in another process."""
    return span.parent is None or span.parent.is_remote


def ai_spans(span: ReadableSpan) -> bool:
    """Keep the spans of AI model calls."""
    return span.name.startswith(_AI_NAMES) or any(key.startswith(_AI_NAMES) for key in span.attributes or ())


def not_ai_spans(span: ReadableSpan) -> bool:
    """Keep all other spans: PostHog's own span processor sends AI spans to its AI observability."""
    return not ai_spans(span)


_SPAN_FILTERS: Final[dict[str, Callable[[Any], object] | None]] = {
    "all": None,
    "local_roots": local_roots,
    "ai_spans": ai_spans,
    "not_ai_spans": not_ai_spans,
}


def filter_of(given: object, signal: str) -> Callable[[Any], object] | None:
    """Return the filter from the argument, else from the environment; None keeps all records."""
    if callable(given):
        return given
    if given is None and signal == "log":
        return None
    known = _SPAN_FILTERS if signal == "span" else {"all": None}
    source, found = source_and_value("filter", given)
    name = "local_roots" if found is None else found.lower() if isinstance(found, str) else ""
    if name in known:
        return known[name]
    names = ", ".join(map(repr, known))
    outcome = "only local roots are exported" if given is None else "nothing is exported to PostHog"
    warn_once(f"{source} is not a callable or one of {names}, so {outcome}: correct it.")
    return local_roots if given is None else _refuse


def _refuse(_: object) -> bool:
    """Raise for each record, so that all records are counted as `filter_failed`."""
    raise TypeError("the filter is none")
