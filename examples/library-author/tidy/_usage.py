"""Usage events of this library: it sends only the values passed to `record`."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry._logs import Logger

_PROJECT_KEY = "phc_of_your_project"  # public and write-only


def record(event_name: str, attributes: Mapping[str, bool | int | float]) -> None:
    """Send one event on a thread of the SDK; import and send nothing if telemetry is off."""
    if _is_on():
        _logger().emit(event_name=event_name, attributes=attributes)


def _is_on() -> bool:
    says_no = os.environ.get("DO_NOT_TRACK", "").lower() not in ("", "0", "false")
    return not says_no and os.environ.get("TIDY_TELEMETRY", "true").lower() in ("true", "1", "yes")


@cache
def _logger() -> Logger:
    """Build the private provider at the first event; it lives until the process exits."""
    from opentelemetry.sdk._logs import LoggerProvider  # noqa: PLC0415
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415

    from opentelemetry.exporter.posthog import PostHogLogExporter  # noqa: PLC0415  # Imported only with telemetry on.

    exporter = PostHogLogExporter(
        api_key=_PROJECT_KEY,
        host=os.environ.get("TIDY_TELEMETRY_HOST", "https://us.i.posthog.com"),
        timeout=2,
    )
    provider = LoggerProvider(Resource({"service.name": "tidy", "service.version": "1.2.0"}))
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    return provider.get_logger("tidy")
