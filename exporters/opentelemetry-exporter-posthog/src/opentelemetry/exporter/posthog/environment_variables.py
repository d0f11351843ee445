# SPDX-License-Identifier: Apache-2.0
"""Every environment variable that the exporters read, with its meaning and default.

This module is also the entry point `opentelemetry_environment_variables`: `opentelemetry-instrument` has an option
for each `OTEL_...` name (`--exporter_posthog_api_key`, ...). Commas separate the items of a list, a map is
`key=value,key=value`, a switch is `true` or `false`.
"""

from __future__ import annotations

from typing import Final

OTEL_EXPORTER_POSTHOG_API_KEY: Final = "OTEL_EXPORTER_POSTHOG_API_KEY"
"""The project API key (`phc_...`), as shown in the PostHog project's settings.

Default: `POSTHOG_API_KEY`. The exporters refuse a personal key (`phx_...`). Without a key they send nothing.
"""

OTEL_EXPORTER_POSTHOG_HOST: Final = "OTEL_EXPORTER_POSTHOG_HOST"
"""URL of the PostHog instance. App hosts such as `https://eu.posthog.com` mean their ingestion hosts.

Default: `POSTHOG_HOST`, else PostHog Cloud US.
"""

OTEL_EXPORTER_POSTHOG_TIMEOUT: Final = "OTEL_EXPORTER_POSTHOG_TIMEOUT"
"""Seconds that one export may take, including all attempts and waits. Default: 10."""

OTEL_EXPORTER_POSTHOG_SPANS: Final = "OTEL_EXPORTER_POSTHOG_SPANS"
"""Which spans become events: `local_roots` (the span's parent is absent or in another process), `all`, `ai_spans`,
`not_ai_spans`. Default: `local_roots`."""

OTEL_EXPORTER_POSTHOG_EVENTS: Final = "OTEL_EXPORTER_POSTHOG_EVENTS"
"""Glob patterns (`order.*,cart.*`): names of the log events and spans that become events. Default: all names."""

OTEL_EXPORTER_POSTHOG_EVENT_NAMES: Final = "OTEL_EXPORTER_POSTHOG_EVENT_NAMES"
"""PostHog's name for each OTel event or span name that should change: `page.viewed=$pageview`."""

OTEL_EXPORTER_POSTHOG_PROPERTY_NAMES: Final = "OTEL_EXPORTER_POSTHOG_PROPERTY_NAMES"
"""Property name for each attribute key that should change: `order.total=revenue`; `key=` leaves it out."""

OTEL_EXPORTER_POSTHOG_DISTINCT_ID_ATTRIBUTES: Final = "OTEL_EXPORTER_POSTHOG_DISTINCT_ID_ATTRIBUTES"
"""Attributes that may hold the `distinct_id`. Default: `posthog.distinct_id,user.id,app.installation.id`."""

OTEL_EXPORTER_POSTHOG_BAGGAGE_KEYS: Final = "OTEL_EXPORTER_POSTHOG_BAGGAGE_KEYS"
"""Baggage keys that may hold the `distinct_id`. Default: none, because a caller can forge baggage."""

OTEL_EXPORTER_POSTHOG_GROUPS: Final = "OTEL_EXPORTER_POSTHOG_GROUPS"
"""For each PostHog group type, the attribute that holds the group: `company=tenant.id`."""

OTEL_EXPORTER_POSTHOG_EXCEPTIONS: Final = "OTEL_EXPORTER_POSTHOG_EXCEPTIONS"
"""`true` sends exceptions to PostHog's error tracking, with messages and stack traces. Default: `false`."""

OTEL_EXPORTER_POSTHOG_CONVENTIONS: Final = "OTEL_EXPORTER_POSTHOG_CONVENTIONS"
"""`false` treats `session.id`, `posthog.group.*` and `posthog.set[_once].*` as plain attributes. Default: `true`."""

OTEL_EXPORTER_POSTHOG_REDACT: Final = "OTEL_EXPORTER_POSTHOG_REDACT"
"""`false` also sends URL queries, client addresses, captured headers and database queries. Default: `true`."""

OTEL_EXPORTER_POSTHOG_PERSON_PROFILES: Final = "OTEL_EXPORTER_POSTHOG_PERSON_PROFILES"
"""`true` lets PostHog keep a person profile for each `distinct_id`. Default: `false`."""

OTEL_EXPORTER_POSTHOG_GEOIP: Final = "OTEL_EXPORTER_POSTHOG_GEOIP"
"""`true` lets PostHog look up the location of the sender's IP address. Default: `false`."""

OTEL_EXPORTER_POSTHOG_IP: Final = "OTEL_EXPORTER_POSTHOG_IP"
"""`true` lets PostHog store the sender's IP address. Default: `false`."""

OTEL_EXPORTER_POSTHOG_TRACE_CONTEXT: Final = "OTEL_EXPORTER_POSTHOG_TRACE_CONTEXT"
"""`true` sends trace ids and span ids. Default: `false`."""

OTEL_EXPORTER_POSTHOG_RETRY: Final = "OTEL_EXPORTER_POSTHOG_RETRY"
"""`false` limits each export to one attempt. Default: `true`."""

POSTHOG_API_KEY: Final = "POSTHOG_API_KEY"
"""PostHog's own name for the project API key, read if `OTEL_EXPORTER_POSTHOG_API_KEY` is not set."""

POSTHOG_HOST: Final = "POSTHOG_HOST"
"""PostHog's own name for the host, read if `OTEL_EXPORTER_POSTHOG_HOST` is not set."""

__all__ = [name for name in dir() if name.isupper()]
