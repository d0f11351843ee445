"""Every environment variable the exporters read, one docstring each.

Also the `opentelemetry_environment_variables` entry point: `opentelemetry-instrument` turns each
`OTEL_...` name here into an option of its own (`--exporter_posthog_api_key`, ...).
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "OTEL_EXPORTER_POSTHOG_API_KEY",
    "OTEL_EXPORTER_POSTHOG_HOST",
    "OTEL_EXPORTER_POSTHOG_SPANS",
    "OTEL_EXPORTER_POSTHOG_TIMEOUT",
    "POSTHOG_API_KEY",
    "POSTHOG_HOST",
]

OTEL_EXPORTER_POSTHOG_API_KEY: Final = "OTEL_EXPORTER_POSTHOG_API_KEY"
"""The project API key (`phc_...`), as shown in the PostHog project's settings.

Default: `POSTHOG_API_KEY`. A personal key (`phx_...`) is refused. Without a key the exporters stay inert.
"""

OTEL_EXPORTER_POSTHOG_HOST: Final = "OTEL_EXPORTER_POSTHOG_HOST"
"""The PostHog instance, as a URL; app hosts such as `https://eu.posthog.com` mean their ingestion hosts.

Default: `POSTHOG_HOST`, else PostHog Cloud US.
"""

OTEL_EXPORTER_POSTHOG_TIMEOUT: Final = "OTEL_EXPORTER_POSTHOG_TIMEOUT"
"""Seconds that one export may take, all of its attempts and waits included. Default: 10."""

OTEL_EXPORTER_POSTHOG_SPANS: Final = "OTEL_EXPORTER_POSTHOG_SPANS"
"""Which spans become events: `all` (the default), or `local_roots` (parent absent or in another process)."""

POSTHOG_API_KEY: Final = "POSTHOG_API_KEY"
"""PostHog's own name for the project API key, read where `OTEL_EXPORTER_POSTHOG_API_KEY` is not set."""

POSTHOG_HOST: Final = "POSTHOG_HOST"
"""PostHog's own name for the host, read where `OTEL_EXPORTER_POSTHOG_HOST` is not set."""
