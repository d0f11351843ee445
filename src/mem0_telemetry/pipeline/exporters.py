"""Build the exporter of each destination, with every argument that has an environment fallback passed explicitly."""

from __future__ import annotations

import hashlib  # noqa: F401  # for `DestinationConfig.fingerprint`: the first event imports nothing
from logging import WARNING
from typing import TYPE_CHECKING, Any, Final

from mem0_telemetry.base.guard import note
from mem0_telemetry.delivery import Destination
from mem0_telemetry.pipeline.destinations import VENDOR_API_KEY, entry_points_of
from mem0_telemetry.policy import registry
from mem0_telemetry.policy.registry import added_attributes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.sdk._logs.export import LogRecordExporter

    from mem0_telemetry.pipeline.destinations import DestinationConfig

_TIMEOUT: Final = 10.0  # seconds for one attempt

# Every logger that an exporter's calls speak through, by exact name: filters are not inherited by child loggers.
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
_FOREIGN_LOGGERS: Final = {
    "posthog": ("posthog", "posthog.request", "opentelemetry.exporter.posthog", *_HTTP_LOGGERS),
    "otlp": ("grpc", "grpc._channel", "grpc._common", "grpc._cython.cygrpc", *_HTTP_LOGGERS),
    "console": (),
}


def destination(config: DestinationConfig) -> Destination:
    """Return the delivery's view of `config`: a mailbox's name, and what builds its exporter on the sender's thread."""
    builders = {"posthog": _build_posthog, "otlp": _build_otlp, "console": _build_console}
    build = builders.get(config.name, _build_entry_point)
    return Destination(
        name=config.name,
        fingerprint=config.fingerprint,
        build=lambda: build(config),
        foreign_loggers=_FOREIGN_LOGGERS.get(config.name) or _loggers_of_entry_point(config.name),
        dropped=_DROPPED.get(config.name, lambda _: {}),
        on_refusal=lambda refusal: _tell(config, refusal),
    )


def _tell(config: DestinationConfig, refusal: str) -> None:
    """Log once for each cause that a destination refuses events: a WARNING to whoever chose it, else DEBUG."""
    cause = refusal.partition(":")[0]
    where = f"{config.name} {config.endpoint}".strip()
    text = f"Mem0 usage telemetry: {where} refuses events ({cause}). They are dropped, and nothing else is affected."
    if config.is_vendor and config.api_key == VENDOR_API_KEY:
        note(text)
    else:
        variables = _SETTINGS_OF.get(config.name, "the settings of this exporter")
        note(f"{text} Check {variables}.", level=WARNING)


_SETTINGS_OF: Final = {
    "posthog": "MEM0_TELEMETRY_POSTHOG_API_KEY and MEM0_TELEMETRY_POSTHOG_HOST",
    "otlp": "MEM0_TELEMETRY_OTLP_ENDPOINT and MEM0_TELEMETRY_OTLP_HEADERS, or else OTEL_EXPORTER_OTLP_*",
}


# What each of our exporters has given up so far, by its own reasons.
_DROPPED: Final[Mapping[str, Callable[[Any], Mapping[str, int]]]] = {
    "posthog": lambda exporter: exporter.stats.dropped,
    "otlp": lambda exporter: exporter.dropped,
}


def _build_posthog(config: DestinationConfig) -> LogRecordExporter:
    from opentelemetry.metrics import NoOpMeterProvider  # noqa: PLC0415  # on the sender's thread

    from opentelemetry.exporter.posthog import PostHogLogExporter  # noqa: PLC0415  # on the sender's thread

    return PostHogLogExporter(
        api_key=config.api_key,
        host=config.endpoint,
        timeout=_TIMEOUT,
        filter="all",
        meter_provider=NoOpMeterProvider(),
        retry=False,  # one export is one attempt: the sender retries, as it holds the batch on disk
        **posthog_mapping(),
    )


def posthog_mapping() -> dict[str, Any]:
    """Answer how records become PostHog events: nothing is left to a variable or to a default of the exporter's."""
    return {
        "event_names": registry.posthog_event_names(),
        "property_names": registry.posthog_property_names(),
        "distinct_id_attributes": (added_attributes.INSTALLATION_ID.key,),
        "baggage_keys": (),
        "group_attributes": {},
        "events": (),
        **dict.fromkeys(
            (
                "person_profiles",
                "geoip",
                "ip",
                "trace_context",
                "conventions",
                "exceptions",
                "redact",  # what may be sent is selected, not scrubbed
            ),
            False,
        ),
    }


def _build_otlp(config: DestinationConfig) -> LogRecordExporter:
    from mem0_telemetry.pipeline import otlp  # noqa: PLC0415  # the extra [otlp], on the sender's thread

    return otlp.build(config)


def _build_console(_: DestinationConfig) -> LogRecordExporter:
    from opentelemetry.sdk._logs.export import ConsoleLogRecordExporter  # noqa: PLC0415

    return ConsoleLogRecordExporter()


def _build_entry_point(config: DestinationConfig) -> LogRecordExporter:
    (entry_point, *_) = entry_points_of(config.name)
    exporter: LogRecordExporter = entry_point.load()()
    return exporter


def _loggers_of_entry_point(name: str) -> tuple[str, ...]:
    """Return the loggers of an unknown exporter: its own module's, and those of the packages above it."""
    parts = entry_points_of(name)[0].module.split(".")
    own = tuple(".".join(parts[: n + 1]) for n in range(len(parts)))
    return (*own, "opentelemetry.exporter.otlp.proto.grpc.exporter", *_FOREIGN_LOGGERS["otlp"])
