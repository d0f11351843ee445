"""Spans to PostHog."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from opentelemetry.exporter.posthog._exporter import PostHogExporter
from opentelemetry.exporter.posthog._filters import FOR_SPANS, local_roots
from opentelemetry.exporter.posthog._notice import warn_once
from opentelemetry.exporter.posthog._settings import filter_of
from opentelemetry.exporter.posthog._sources import span_source
from opentelemetry.exporter.posthog.environment_variables import OTEL_EXPORTER_POSTHOG_SPANS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.exporter.posthog._sources import Source


class PostHogSpanExporter(PostHogExporter[ReadableSpan], SpanExporter):
    __doc__ = f"""Turns spans into PostHog events.

    {PostHogExporter.__doc__}"""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export `spans` within the timeout.

        Returns:
            SUCCESS: done with it, each span is sent, or dropped and counted. FAILURE: some of it could
            succeed later; what arrived already is recognised by PostHog when it is sent again.
        """
        return SpanExportResult.SUCCESS if self._export(spans) else SpanExportResult.FAILURE

    def _filter_of(self, given: object) -> Callable[[ReadableSpan], object] | None:
        if given is not None:
            return filter_of(given, FOR_SPANS)
        name = os.environ.get(OTEL_EXPORTER_POSTHOG_SPANS, "").strip().lower() or "local_roots"
        if name not in FOR_SPANS:
            warn_once(
                f"{OTEL_EXPORTER_POSTHOG_SPANS} is none of {', '.join(map(repr, FOR_SPANS))}, so only local roots "
                "are exported (every span becomes a billed event)."
            )
        return FOR_SPANS.get(name, local_roots)

    def _source_of(self) -> Callable[..., Source]:
        return span_source
