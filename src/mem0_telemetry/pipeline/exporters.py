# SPDX-License-Identifier: Apache-2.0
"""Build the exporter of each destination, with every argument that has an environment fallback passed explicitly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from logging import WARNING
from typing import Any, Final

from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk._logs.export import ConsoleLogRecordExporter, LogRecordExporter

from mem0_telemetry.base.guard import note
from mem0_telemetry.delivery import Destination
from mem0_telemetry.pipeline.destinations import VENDOR_API_KEY, DestinationConfig, entry_points_of
from mem0_telemetry.policy import registry
from mem0_telemetry.policy.registry import added_attributes

_TIMEOUT: Final = 10.0  # seconds for one attempt


def destination(config: DestinationConfig) -> Destination:
    """Return the delivery's view of `config`: a mailbox's name, and what builds its exporter on the sender's thread."""
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
    """Return how records become PostHog events: nothing is left to a variable or to a default of the exporter's."""
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
        "redact": False,  # what may be sent is selected, not scrubbed
    }


def _tell(config: DestinationConfig, settings: str, refusal: str) -> None:
    """Log once for each cause that a destination refuses events."""
    cause = refusal.partition(":")[0]
    if cause == "partial success":
        what, remedy = "takes only a part of a batch", "See its own log."
    elif cause.startswith("HTTP 3"):
        what, remedy = f"refuses events ({cause}): it redirects", f"Set the final address in {settings}."
    else:
        what, remedy = f"refuses events ({cause})", f"Check {settings}."
    _say(config, f"{what}. What it refused is dropped", remedy)


def _say(config: DestinationConfig, what: str, remedy: str) -> None:
    """Log, once, what is wrong with a destination: a WARNING to whoever chose it, else DEBUG."""
    where = f"{config.name} {config.endpoint}".strip()
    text = f"Mem0 usage telemetry: {where} {what}, and nothing else is affected."
    if config.is_vendor and config.api_key == VENDOR_API_KEY:
        note(text)
    else:
        note(f"{text} {remedy}", level=WARNING)


def _build_posthog(config: DestinationConfig) -> LogRecordExporter:
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


def _build_otlp(config: DestinationConfig) -> LogRecordExporter:
    from mem0_telemetry.pipeline import otlp  # noqa: PLC0415  # the extra [otlp], on the sender's thread

    return otlp.build(config)


@dataclass(frozen=True, slots=True)
class _Kind:
    """What is known of an exporter."""

    build: Callable[[DestinationConfig], LogRecordExporter]
    loggers: tuple[str, ...] = ()
    """Every logger that its calls speak through, by exact name: filters are not inherited by child loggers."""
    dropped: Callable[[Any], Mapping[str, int]] = lambda _: {}
    """Returns what an exporter has given up so far, by its own reasons."""
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


def _kind_of_entry_point(name: str) -> _Kind:
    """Return what can be told of an unknown exporter; its calls may speak through its packages' loggers and OTLP's."""
    entry_point = entry_points_of(name)[0]
    parts = entry_point.module.split(".")
    own = (".".join(parts[: n + 1]) for n in range(len(parts)))
    otlp = ("opentelemetry.exporter.otlp.proto.grpc.exporter", *_OTLP_LOGGERS)
    return _Kind(lambda _: entry_point.load()(), loggers=(*own, *otlp))
