# SPDX-License-Identifier: Apache-2.0
"""The private `LoggerProvider`: never the global one, and independent of the application's OpenTelemetry settings."""

from __future__ import annotations

import os
from inspect import signature
from random import Random
from typing import TYPE_CHECKING, Any, Final

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk._logs import LoggerProvider, LogRecordLimits, LogRecordProcessor, ReadWriteLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from mem0_telemetry.policy.registry.added_attributes import RECORD_UID
from mem0_telemetry.version import SCHEMA_URL, __version__
from opentelemetry import trace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.util.types import AttributeValue

SCOPE: Final = InstrumentationScope("mem0_telemetry", __version__, SCHEMA_URL)

# The SDK would replace an empty context, which is falsy, with the current one and its trace and span id.
NO_SPAN: Final = trace.set_span_in_context(trace.INVALID_SPAN, Context())


def explicit_limits() -> LogRecordLimits:
    """Return limits that every registered event fits into, whatever the value of `OTEL_*_LIMIT`."""
    wide = {
        "max_attributes": 128,
        "max_attribute_length": 4096,
        "max_log_record_attributes": 128,  # from opentelemetry-sdk 1.44 on
        "max_log_record_attribute_length": 4096,
    }
    return LogRecordLimits(**_known(LogRecordLimits, wide))


def _known(function: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the `arguments` that `function` has in the installed SDK: newer releases add parameters."""
    parameters = signature(function).parameters
    return {name: value for name, value in arguments.items() if name in parameters}


def _new_uuid(random: Random) -> str:
    """Return a random UUID (version 4).

    Do not use `uuid.uuid4` or `os.urandom`: both release the GIL, and a thread that records in a loop may then keep it
    for 5 ms.
    """
    digits = f"{random.getrandbits(128):032x}"
    variant = "89ab"[int(digits[16], 16) % 4]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


class OwnRecord(LogRecord):
    """One of our own records. It belongs to no span, and keeps the values that were selected for it."""

    def __init__(self, time_ns: int, event: str, attributes: Mapping[str, AttributeValue]) -> None:
        super().__init__(
            timestamp=time_ns,
            context=NO_SPAN,
            severity_number=SeverityNumber.INFO,
            body=event,
            event_name=event,
        )
        self.selected = event, attributes
        """Event name and attributes as selected, before any processor received the record."""


class PrivateProvider:
    """Holds a `LoggerProvider` with one fixed resource, and emits our own events on it.

    Every SDK argument that has an environment fallback is passed explicitly. Thread-safe.

    Args:
        resource: all of the resource's attributes; nothing is merged into them.
        processor: receives the records.
        common: the attributes of every record, selected against the registry.
    """

    def __init__(
        self,
        resource: Mapping[str, AttributeValue],
        processor: LogRecordProcessor,
        common: Mapping[str, AttributeValue],
    ) -> None:
        self._common = common
        self._random = Random()  # noqa: S311  # the application may seed the global generator
        self._process = os.getpid()
        self._limits = explicit_limits()
        self._resource = Resource(dict(resource), SCHEMA_URL)
        isolated = {"meter_provider": NoOpMeterProvider(), "log_record_limits": self._limits}
        self.provider = LoggerProvider(
            self._resource, shutdown_on_exit=False, **_known(LoggerProvider, isolated)
        )
        self.provider.add_log_record_processor(processor)
        self._logger = self.provider.get_logger(SCOPE.name, SCOPE.version, SCOPE.schema_url)

    def emit(self, time_ns: int, event: str, attributes: Mapping[str, AttributeValue]) -> None:
        """Emit one event outside every span, with a new record id. The body repeats the name, which some backends drop.

        Args:
            time_ns: when the event happened, in nanoseconds since the epoch.
            event: the registry's event name.
            attributes: the selected attributes.
        """
        if os.getpid() != self._process:  # a forked child would generate the same ids as its parent
            self._random.seed()
            self._process = os.getpid()
        selected = {**attributes, **self._common, RECORD_UID.key: _new_uuid(self._random)}
        record = ReadWriteLogRecord(
            OwnRecord(time_ns, event, selected),
            resource=self._resource,
            instrumentation_scope=SCOPE,
            limits=self._limits,
        )
        # Set the attributes only now: the SDK's constructor would spend 7 µs on checking 16 values for
        # `BoundedAttributes`, although selection has made them plain and short. Copy them: a processor may change them.
        record.log_record.attributes = selected.copy()
        self._logger.emit(record)  # type: ignore[call-overload]  # it accepts a record with its own limits
