# SPDX-License-Identifier: Apache-2.0
"""Count the results of one export and of all exports, also as metrics (`otel.sdk.exporter.*`)."""

from __future__ import annotations

import os
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from opentelemetry.metrics import get_meter_provider

from opentelemetry.exporter.posthog._version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.metrics import MeterProvider

_SWITCH: Final = "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED"
_NO_EXPORT: Final = frozenset({"filtered", "before_send", "no_name"})
"""Drop reasons of records that were not meant to be exported, so the metrics leave them out."""
_built: Counter[str] = Counter()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExporterStats:
    """Counts of the records given to one exporter in this process.

    Each `export` counts each of its records (with `exceptions`, each of their events) once: as `exported`, `failed` or
    `dropped`. After FAILURE, records that cannot become events also count as `failed`, because the caller keeps them.
    """

    exported: int
    """Events that PostHog accepted, with a 2xx status."""
    retried: int
    """Events sent again within their export, counted at each retry."""
    failed: int
    """Records handed back by FAILURE: they could succeed later, and the caller exports them again or loses them."""
    dropped: Mapping[str, int]
    """Records that will never become events in PostHog, by reason."""
    changed: Mapping[str, int]
    """Events that lack data of their record, by change: `cut` (values were cut to fit; the event has the property
    `posthog.cut`), `person_properties` (left out, because the event creates no person)."""


@dataclass(slots=True)
class Outcome:
    """The result of one export."""

    counts: Counter[str] = field(default_factory=Counter)
    """Numbers of events, by field of `ExporterStats`."""
    dropped: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    retry_after: float | None = None
    """Seconds that the server asks to wait."""
    failure: str = ""
    """Why some events could succeed later: `HTTP 503`, `shut down`, or the class name of an error."""
    refusal: str = ""
    """Why PostHog permanently refused some events, such as `HTTP 401`; empty if it refused none."""


class Tally:
    """Adds up the results of exports. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # reentrant: a signal handler may export too
        self._counts: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._changed: Counter[str] = Counter()

    def add(self, outcome: Outcome) -> None:
        """Add the result of one export."""
        with self._lock:
            self._counts.update(outcome.counts)
            self._dropped.update(outcome.dropped)
            self._changed.update(outcome.changed)

    def snapshot(self) -> ExporterStats:
        """Return the current counts."""
        with self._lock:
            return ExporterStats(
                exported=self._counts["exported"],
                retried=self._counts["retried"],
                failed=self._counts["failed"],
                dropped=MappingProxyType(dict(self._dropped)),
                changed=MappingProxyType(dict(self._changed)),
            )


class ExporterMetrics:
    """The metrics of one exporter, by OpenTelemetry's semantic conventions for SDK metrics. Thread-safe.

    An error in an instrument of the application's meter provider does not stop an export.
    """

    def __init__(self, signal: str, url: str, meter_provider: MeterProvider) -> None:
        kind = f"posthog_{signal}_exporter"
        address = urlsplit(url)
        self._attributes: dict[str, Any] = {
            "otel.component.type": kind,
            "otel.component.name": f"{kind}/{_built[kind]}",
            "server.address": address.hostname,
            "server.port": address.port or (80 if address.scheme == "http" else 443),
        }
        _built[kind] += 1
        meter = meter_provider.get_meter("opentelemetry-exporter-posthog", __version__)
        unit = "{log_record}" if signal == "log" else "{span}"
        self._inflight = meter.create_up_down_counter(f"otel.sdk.exporter.{signal}.inflight", unit)
        self._exported = meter.create_counter(f"otel.sdk.exporter.{signal}.exported", unit)
        self._duration = meter.create_histogram("otel.sdk.exporter.operation.duration", "s")

    def begin(self, records: int) -> None:
        """Count the records of an export that begins."""
        with suppress(Exception):
            self._inflight.add(records, self._attributes)

    def end(self, records: int, seconds: float, outcome: Outcome) -> None:
        """Record the end, the duration and the result of an export."""
        with suppress(Exception):
            self._inflight.add(-records, self._attributes)
        ended = {"": outcome.counts["exported"], outcome.failure or "failed": outcome.counts["failed"]}
        ended |= {reason: count for reason, count in outcome.dropped.items() if reason not in _NO_EXPORT}
        with suppress(Exception):
            for error, count in ended.items():
                if count:
                    self._exported.add(count, self._with(error))
            self._duration.record(seconds, self._with(outcome.failure))

    def _with(self, error: str) -> dict[str, Any]:
        return {**self._attributes, "error.type": error} if error else self._attributes


def metrics_for(signal: str, url: str, meter_provider: MeterProvider | None) -> ExporterMetrics | None:
    """Return the metrics of an exporter, or None unless the variable for the SDK's own metrics enables them."""
    if os.environ.get(_SWITCH, "").strip().lower() != "true":
        return None
    try:
        return ExporterMetrics(
            signal, url or "https://us.i.posthog.com", meter_provider or get_meter_provider()
        )
    except Exception:  # noqa: BLE001  # a meter provider of a wrong type may raise anything
        return None
