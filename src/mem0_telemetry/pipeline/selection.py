# SPDX-License-Identifier: Apache-2.0
"""Select a record against the registry again: the last step before it is spooled, the first after it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource

from mem0_telemetry.pipeline.provider import NO_SPAN, SCOPE, OwnRecord, explicit_limits
from mem0_telemetry.policy import registry
from mem0_telemetry.version import SCHEMA_URL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.util.types import AttributeValue


class Selection:
    """Copies the declared values of a record into a new record; returns None for an unregistered event.

    All other values are removed: those of the application's own records and processors, those that the SDK adds to the
    resource (`service.instance.id` after a fork), and those that another program wrote to the spool. Thread-safe.
    """

    def __init__(self) -> None:
        self._limits = explicit_limits()
        # The last resource and its selected copy. A process has one resource until it forks or its id changes.
        self._resources: tuple[Resource | None, Resource] = (None, Resource({}, SCHEMA_URL))

    def __call__(self, record: ReadableLogRecord) -> ReadableLogRecord | None:
        """Return the selected copy of `record`, or None if its event is not registered."""
        log = record.log_record
        name = log.event_name
        attributes: Mapping[str, AttributeValue] | None
        if isinstance(log, OwnRecord) and log.selected == (name, log.attributes):
            name, attributes = log.selected  # it was selected when it was recorded, and is unchanged
        else:
            attributes = registry.select_record(dict(log.attributes or {}), name)
        if attributes is None:
            return None
        selected = LogRecord(
            timestamp=_within_otlp(log.timestamp or log.observed_timestamp),
            observed_timestamp=_within_otlp(log.observed_timestamp),
            context=NO_SPAN,
            severity_number=SeverityNumber.INFO,
            body=name,
            attributes=attributes,
            event_name=name,
        )
        return ReadableLogRecord(selected, self._resource(record.resource), SCOPE, self._limits)

    def _resource(self, found: Resource | None) -> Resource:
        seen, selected = self._resources
        if found is not seen:
            given = found.attributes if found is not None else {}
            selected = Resource(registry.select_resource(given), SCHEMA_URL)
            self._resources = (found, selected)
        return selected


def _within_otlp(time_ns: int | None) -> int:
    """Return the nearest time that OTLP can express: a clock may be set before 1970, or to a year beyond 64 bits."""
    return min(max(time_ns or 0, 0), 2**63 - 1)
