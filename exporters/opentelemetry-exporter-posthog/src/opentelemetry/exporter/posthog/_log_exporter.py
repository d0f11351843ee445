# SPDX-License-Identifier: Apache-2.0
"""The exporter for log records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult

from opentelemetry.exporter.posthog._exporter import PostHogExporter

if TYPE_CHECKING:
    from collections.abc import Sequence


class PostHogLogExporter(PostHogExporter[ReadableLogRecord], LogRecordExporter):
    __doc__ = f"""Turns log records that have an event name into PostHog events.

    {PostHogExporter.__doc__}"""
    _signal = "log"

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Export `batch` within the timeout.

        Returns:
            SUCCESS if each record was sent, or dropped and counted. FAILURE if some records could succeed
            later; PostHog recognises events that it already received when the batch is exported again.
        """
        return LogRecordExportResult.SUCCESS if self._export(batch) else LogRecordExportResult.FAILURE
