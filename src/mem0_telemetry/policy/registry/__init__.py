# SPDX-License-Identifier: Apache-2.0
"""The registry: every event and attribute that may be sent, as data, and the selection that is derived from it.

To add an event or attribute, add one entry in `events` or `attributes`. The selection, `TELEMETRY.md`, the names in
PostHog and the privacy tests are derived from it.
"""

from __future__ import annotations

from mem0_telemetry.policy.registry._selection import (
    dropped_attributes,
    event_by_mem0_name,
    posthog_event_names,
    posthog_property_names,
    select,
    select_common,
    select_record,
    select_resource,
)
from mem0_telemetry.policy.registry.events import EVENTS
from mem0_telemetry.policy.registry.model import Attribute, Event

__all__ = [
    "EVENTS",
    "Attribute",
    "Event",
    "dropped_attributes",
    "event_by_mem0_name",
    "posthog_event_names",
    "posthog_property_names",
    "select",
    "select_common",
    "select_record",
    "select_resource",
]
