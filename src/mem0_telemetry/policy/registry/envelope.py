# SPDX-License-Identifier: Apache-2.0
"""The rest of a request to PostHog: its headers and fields, and the properties that the exporter sets."""

from __future__ import annotations

from mem0_telemetry.policy.registry.types import Type, one_of, version

FIELDS = {
    "event": "the name of the event",
    "distinct_id": "the installation's id",
    "uuid": "the record's id, so that a repeat is recognised",
    "timestamp": "when it happened",
    "properties": "everything else",
}
"""The fields of an event in a request to PostHog, and their meaning."""

REQUEST = {
    "api_key": "the key of the PostHog project that it goes to",
    "sent_at": "when this attempt was made: PostHog corrects the times of the events by it",
    "batch": "the events",
}
"""The fields of the body of a request to PostHog, and their meaning."""

HEADERS = {
    "Host": "PostHog's host",
    "User-Agent": "`opentelemetry-exporter-posthog/` and its version",
    "Accept": "`*/*`",
    "Accept-Encoding": "`identity`",
    "Connection": "`keep-alive`",
    "Content-Type": "`application/json`",
    "Content-Encoding": "`gzip`",
    "Content-Length": "how many bytes follow",
}
"""The headers of a request to PostHog, and their values. A proxy that asks for a password gets it in another header."""

PROPERTIES: dict[str, Type] = {
    "$lib": one_of("opentelemetry-exporter-posthog"),
    "$lib_version": version(parts=3),
    "$process_person_profile": one_of(False),
    "$geoip_disable": one_of(True),
    "$ip": one_of("0.0.0.0"),  # noqa: S104  # sent instead of an address
    "otel.scope.name": one_of("mem0_telemetry"),
    "otel.scope.version": version(parts=3),
}
"""The properties that the exporter sets on every event."""
