# SPDX-License-Identifier: Apache-2.0
"""OpenTelemetry log events and spans as PostHog product events.

Usage:
    >>> from opentelemetry.exporter.posthog import PostHogLogExporter
    >>> from opentelemetry.sdk._logs import LoggerProvider
    >>> from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    >>> provider = LoggerProvider()
    >>> provider.add_log_record_processor(BatchLogRecordProcessor(PostHogLogExporter(api_key="phc_...")))
    >>> provider.get_logger("shop").emit(event_name="order.placed", attributes={"user.id": "u1", "items": 3})

Without code: `OTEL_LOGS_EXPORTER=posthog`, `OTEL_TRACES_EXPORTER=posthog`, and the variables in
`opentelemetry.exporter.posthog.environment_variables`.

Importing this package imports nothing else. The first use of an exporter or of the processor imports the OpenTelemetry
SDK; the first exporter that has an API key imports PostHog's client library and `requests`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

# Import the version now: tools read `__version__` of every module in `sys.modules`, which must import nothing.
from opentelemetry.exporter.posthog._version import __version__

if TYPE_CHECKING:
    from opentelemetry.exporter.posthog._filters import local_roots
    from opentelemetry.exporter.posthog._log_exporter import PostHogLogExporter
    from opentelemetry.exporter.posthog._processor import PostHogContextProcessor
    from opentelemetry.exporter.posthog._span_exporter import PostHogSpanExporter
    from opentelemetry.exporter.posthog._stats import ExporterStats

__all__ = [
    "ExporterStats",
    "PostHogContextProcessor",
    "PostHogLogExporter",
    "PostHogSpanExporter",
    "__version__",
    "local_roots",
]

_HOMES = {
    "ExporterStats": "_stats",
    "PostHogContextProcessor": "_processor",
    "PostHogLogExporter": "_log_exporter",
    "PostHogSpanExporter": "_span_exporter",
    "local_roots": "_filters",
}


def __getattr__(name: str) -> object:
    """Load a public name on first access."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415  # needed only on first access

    value: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})
