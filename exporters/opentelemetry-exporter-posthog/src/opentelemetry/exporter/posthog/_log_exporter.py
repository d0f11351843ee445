# SPDX-License-Identifier: Apache-2.0
"""Log events to PostHog."""

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
            SUCCESS: done with it, each record is sent, or dropped and counted. FAILURE: some of it could
            succeed later; what arrived already is recognised by PostHog when it is sent again.
        """
        return LogRecordExportResult.SUCCESS if self._export(batch) else LogRecordExportResult.FAILURE
