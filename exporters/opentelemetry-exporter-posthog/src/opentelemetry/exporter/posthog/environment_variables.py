# SPDX-License-Identifier: Apache-2.0
"""Every environment variable the exporters read, one docstring each.

Also the `opentelemetry_environment_variables` entry point: `opentelemetry-instrument` turns each
`OTEL_...` name here into an option of its own (`--exporter_posthog_api_key`, ...). A list is separated by commas,
a map is `key=value,key=value`, a switch is `true` or `false`.
"""

from __future__ import annotations

from typing import Final

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
"""Which spans become events: `local_roots` (the default: parent absent or in another process), `all`, `ai_spans`,
`not_ai_spans`."""

OTEL_EXPORTER_POSTHOG_EVENTS: Final = "OTEL_EXPORTER_POSTHOG_EVENTS"
"""Globs (`order.*,cart.*`) on the names of log events and spans; others become no events. Default: all do."""

OTEL_EXPORTER_POSTHOG_EVENT_NAMES: Final = "OTEL_EXPORTER_POSTHOG_EVENT_NAMES"
"""OTel name to PostHog name, where they differ: `page.viewed=$pageview`."""

OTEL_EXPORTER_POSTHOG_PROPERTY_NAMES: Final = "OTEL_EXPORTER_POSTHOG_PROPERTY_NAMES"
"""Attribute key to property name, where they differ: `order.total=revenue`; empty leaves the attribute out."""

OTEL_EXPORTER_POSTHOG_DISTINCT_ID_ATTRIBUTES: Final = "OTEL_EXPORTER_POSTHOG_DISTINCT_ID_ATTRIBUTES"
"""The attributes that say whose event it is. Default: `posthog.distinct_id,user.id,app.installation.id`."""

OTEL_EXPORTER_POSTHOG_BAGGAGE_KEYS: Final = "OTEL_EXPORTER_POSTHOG_BAGGAGE_KEYS"
"""Baggage keys that may say whose event it is, as baggage can be forged by a caller. Default: none."""

OTEL_EXPORTER_POSTHOG_GROUPS: Final = "OTEL_EXPORTER_POSTHOG_GROUPS"
"""PostHog group type to the attribute that holds the group: `company=tenant.id`."""

OTEL_EXPORTER_POSTHOG_EXCEPTIONS: Final = "OTEL_EXPORTER_POSTHOG_EXCEPTIONS"
"""`true` sends exceptions to PostHog's error tracking, with messages and stack traces. Default: `false`."""

OTEL_EXPORTER_POSTHOG_CONVENTIONS: Final = "OTEL_EXPORTER_POSTHOG_CONVENTIONS"
"""`false` gives `session.id` and `posthog.*` attributes no meaning of their own. Default: `true`."""

OTEL_EXPORTER_POSTHOG_REDACT: Final = "OTEL_EXPORTER_POSTHOG_REDACT"
"""`false` sends queries of URLs, client addresses, captured headers and database queries too. Default: `true`."""

OTEL_EXPORTER_POSTHOG_PERSON_PROFILES: Final = "OTEL_EXPORTER_POSTHOG_PERSON_PROFILES"
"""`true` lets PostHog keep a person for each `distinct_id`. Default: `false`."""

OTEL_EXPORTER_POSTHOG_GEOIP: Final = "OTEL_EXPORTER_POSTHOG_GEOIP"
"""`true` lets PostHog look up the place of the sender's address. Default: `false`."""

OTEL_EXPORTER_POSTHOG_IP: Final = "OTEL_EXPORTER_POSTHOG_IP"
"""`true` lets PostHog keep the sender's address. Default: `false`."""

OTEL_EXPORTER_POSTHOG_TRACE_CONTEXT: Final = "OTEL_EXPORTER_POSTHOG_TRACE_CONTEXT"
"""`true` sends trace and span ids. Default: `false`."""

OTEL_EXPORTER_POSTHOG_RETRY: Final = "OTEL_EXPORTER_POSTHOG_RETRY"
"""`false` makes one export one attempt. Default: `true`."""

POSTHOG_API_KEY: Final = "POSTHOG_API_KEY"
"""PostHog's own name for the project API key, read where `OTEL_EXPORTER_POSTHOG_API_KEY` is not set."""

POSTHOG_HOST: Final = "POSTHOG_HOST"
"""PostHog's own name for the host, read where `OTEL_EXPORTER_POSTHOG_HOST` is not set."""

__all__ = [name for name in dir() if name.isupper()]
