# SPDX-License-Identifier: Apache-2.0
"""Build the exporter of each destination. Every argument that has an environment fallback is passed explicitly."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from logging import WARNING
from typing import Any, Final, cast

from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import ConsoleLogRecordExporter, LogRecordExporter

from mem0_telemetry.base.guard import note
from mem0_telemetry.delivery import Destination
from mem0_telemetry.pipeline.destinations import VENDOR_API_KEY, DestinationConfig, entry_points_of
from mem0_telemetry.policy import registry
from mem0_telemetry.policy.registry import added_attributes

_TIMEOUT: Final = 10.0  # seconds for one attempt


def destination(config: DestinationConfig) -> Destination:
    """Convert `config` for the delivery: the mailbox's name, and a function that builds the exporter for the sender."""
    kind = _KINDS.get(config.name) or _kind_of_entry_point(config.name)
    return Destination(
        name=config.name,
        fingerprint=config.fingerprint,
        build=lambda: kind.build(config),
        foreign_loggers=kind.loggers,
        dropped=kind.dropped,
        on_refusal=lambda refusal: _tell(config, kind.settings, refusal),
        on_unusable=lambda error: _say(
            config, f"cannot be used ({error}). Events wait for it", f"Check {kind.settings}."
        ),
    )


def posthog_mapping() -> dict[str, Any]:
    """Return all options of PostHog's mapping, so that no variable and no default of the exporter applies."""
    return {
        "event_names": registry.posthog_event_names(),
        "property_names": registry.posthog_property_names(),
        "distinct_id_attributes": (added_attributes.INSTALLATION_ID.key,),
        "baggage_keys": (),
        "group_attributes": {},
        "events": (),
        "person_profiles": False,
        "geoip": False,
        "ip": False,
        "trace_context": False,
        "conventions": False,
        "exceptions": False,
        "redact": False,  # the registry selects, nothing is scrubbed
    }


def _tell(config: DestinationConfig, settings: str, refusal: str) -> None:
    """Log that a destination refuses events, once for each cause."""
    cause = refusal.partition(":")[0]
    if cause == "partial success":
        what, remedy = "takes only a part of a batch", "See its own log."
    elif cause.startswith("HTTP 3"):
        what, remedy = f"refuses events ({cause}): it redirects", f"Set the final address in {settings}."
    else:
        what, remedy = f"refuses events ({cause})", f"Check {settings}."
    _say(config, f"{what}. What it refused is dropped", remedy)


def _say(config: DestinationConfig, what: str, remedy: str) -> None:
    """Log a destination's problem once: at DEBUG if it is Mem0's own project, else at WARNING."""
    where = f"{config.name} {config.endpoint}".strip()
    text = f"Mem0 usage telemetry: {where} {what}, and nothing else is affected."
    if config.is_vendor and config.api_key == VENDOR_API_KEY:
        note(text)
    else:
        note(f"{text} {remedy}", level=WARNING)


def _build_posthog(config: DestinationConfig) -> LogRecordExporter:
    from opentelemetry.exporter.posthog import PostHogLogExporter  # noqa: PLC0415  # only the sender needs it

    return PostHogLogExporter(
        api_key=config.api_key,
        host=config.endpoint,
        timeout=_TIMEOUT,
        filter="all",
        meter_provider=NoOpMeterProvider(),
        retry=False,  # one export is one attempt: the sender has the batch on disk and retries
        **posthog_mapping(),
    )


def _build_otlp(config: DestinationConfig) -> LogRecordExporter:
    from mem0_telemetry.pipeline import otlp  # noqa: PLC0415  # the extra [otlp]; only the sender needs it

    return otlp.build(config)


@dataclass(frozen=True, slots=True)
class _Kind:
    """The properties of one kind of exporter."""

    build: Callable[[DestinationConfig], LogRecordExporter]
    loggers: tuple[str, ...] = ()
    """The exact names of all loggers that its calls use, because child loggers do not inherit filters."""
    dropped: Callable[[Any], Mapping[str, int]] = lambda _: {}
    """Returns the exporter's own counts of dropped records, by reason."""
    settings: str = "the settings of this exporter"


_HTTP_LOGGERS: Final = (
    "requests",
    "urllib3",
    "urllib3.connection",
    "urllib3.connectionpool",
    "urllib3.poolmanager",
    "urllib3.response",
    "urllib3.util.retry",
    "charset_normalizer",
)
_OTLP_LOGGERS: Final = ("grpc", "grpc._channel", "grpc._common", "grpc._cython.cygrpc", *_HTTP_LOGGERS)

_KINDS: Final = {
    "posthog": _Kind(
        _build_posthog,
        loggers=("posthog", "posthog.request", "opentelemetry.exporter.posthog", *_HTTP_LOGGERS),
        dropped=lambda exporter: exporter.stats.dropped,
        settings="MEM0_TELEMETRY_POSTHOG_API_KEY and MEM0_TELEMETRY_POSTHOG_HOST",
    ),
    "otlp": _Kind(
        _build_otlp,
        loggers=_OTLP_LOGGERS,
        dropped=lambda exporter: exporter.dropped,
        settings="MEM0_TELEMETRY_OTLP_ENDPOINT and MEM0_TELEMETRY_OTLP_HEADERS, or else OTEL_EXPORTER_OTLP_*",
    ),
    "console": _Kind(lambda _: ConsoleLogRecordExporter()),
}


class _OnCopies:
    """A third-party exporter, with copies of the records: it may change them, and other destinations get them too."""

    def __init__(self, exporter: Any) -> None:
        self._exporter = exporter

    def export(self, batch: Sequence[ReadableLogRecord]) -> Any:
        return self._exporter.export([_copy(record) for record in batch])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._exporter, name)


def _copy(record: ReadableLogRecord) -> ReadableLogRecord:
    """Return a copy of the parts that can be changed; a `Resource` and its attributes cannot."""
    log_record = copy.copy(record.log_record)
    log_record.attributes = copy.deepcopy(dict(log_record.attributes or {}))
    return replace(record, log_record=log_record)


def _kind_of_entry_point(name: str) -> _Kind:
    """Describe a third-party exporter, whose calls may use the loggers of its packages and those of OTLP."""
    entry_point = entry_points_of(name)[0]
    parts = entry_point.module.split(".")
    own = (".".join(parts[: n + 1]) for n in range(len(parts)))
    otlp = ("opentelemetry.exporter.otlp.proto.grpc.exporter", *_OTLP_LOGGERS)
    return _Kind(lambda _: cast("LogRecordExporter", _OnCopies(entry_point.load()())), loggers=(*own, *otlp))
