# SPDX-License-Identifier: Apache-2.0
"""The private `LoggerProvider`: never the global one, and nothing of the application's OpenTelemetry settings in it."""

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

# An empty context is falsy and would be replaced by the current one, trace and span id included.
NO_SPAN: Final = trace.set_span_in_context(trace.INVALID_SPAN, Context())


def explicit_limits() -> LogRecordLimits:
    """Limits that are wide enough for every registered event, whatever `OTEL_*_LIMIT` says."""
    wide = {
        "max_attributes": 128,
        "max_attribute_length": 4096,
        "max_log_record_attributes": 128,  # from opentelemetry-sdk 1.44 on
        "max_log_record_attribute_length": 4096,
    }
    return LogRecordLimits(**_known(LogRecordLimits, wide))


def _known(function: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """Those of `arguments` that this release's `function` has: the SDK's constructors grow with its versions."""
    parameters = signature(function).parameters
    return {name: value for name, value in arguments.items() if name in parameters}


def _new_uuid(random: Random) -> str:
    """Return a random UUID (version 4).

    Neither `uuid.uuid4` nor `os.urandom`: each releases the interpreter lock, which a thread that records in a loop
    may then keep for 5 ms.
    """
    digits = f"{random.getrandbits(128):032x}"
    variant = "89ab"[int(digits[16], 16) % 4]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


class OwnRecord(LogRecord):
    """A record of ours: outside every span, and with what was selected for it."""

    def __init__(self, time_ns: int, event: str, attributes: Mapping[str, AttributeValue]) -> None:
        super().__init__(
            timestamp=time_ns,
            context=NO_SPAN,
            severity_number=SeverityNumber.INFO,
            body=event,
            event_name=event,
        )
        self.selected = event, attributes
        """Event name and attributes, as they were before any processor saw the record."""


class PrivateProvider:
    """A `LoggerProvider` with one fixed resource, and the way our own events take into it.

    Every argument of the SDK that has an environment fallback is passed. Thread-safe.

    Args:
        resource: all of the resource's attributes; nothing is merged into them.
        processor: where its records go.
        common: what each record carries; selected against the registry.
    """

    def __init__(
        self,
        resource: Mapping[str, AttributeValue],
        processor: LogRecordProcessor,
        common: Mapping[str, AttributeValue],
    ) -> None:
        self._common = common
        self._random = Random()  # noqa: S311  # not the application's, whose numbers may be seeded
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
        """Emit one event, outside every span, with an id of its own. The body repeats the name: real backends drop it.

        Args:
            time_ns: when it happened, in nanoseconds since the epoch.
            event: the registry's event name.
            attributes: selected ones.
        """
        if os.getpid() != self._process:  # a forked child would make its parent's ids
            self._random.seed()
            self._process = os.getpid()
        selected = {**attributes, **self._common, RECORD_UID.key: _new_uuid(self._random)}
        record = ReadWriteLogRecord(
            OwnRecord(time_ns, event, selected),
            resource=self._resource,
            instrumentation_scope=SCOPE,
            limits=self._limits,
        )
        # Only now: the SDK would spend 7 µs on checking 16 values for `BoundedAttributes`, which are plain and within
        # all limits, as they were selected. A copy, as a processor may change it.
        record.log_record.attributes = selected.copy()
        self._logger.emit(record)  # type: ignore[call-overload]  # it takes a record with limits of its own
