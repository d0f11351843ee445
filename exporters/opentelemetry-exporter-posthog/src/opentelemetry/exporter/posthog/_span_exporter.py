# SPDX-License-Identifier: Apache-2.0
"""The exporter for spans."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from opentelemetry.exporter.posthog._exporter import PostHogExporter

if TYPE_CHECKING:
    from collections.abc import Sequence


class PostHogSpanExporter(PostHogExporter[ReadableSpan], SpanExporter):
    __doc__ = f"""Turns spans into PostHog events.

    {PostHogExporter.__doc__}"""
    _signal = "span"

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export `spans` within the timeout.

        Returns:
            SUCCESS if each span was sent, or dropped and counted. FAILURE if some spans could succeed later;
            PostHog recognises events that it already received when the batch is exported again.
        """
        return SpanExportResult.SUCCESS if self._export(spans) else SpanExportResult.FAILURE
