# SPDX-License-Identifier: Apache-2.0
"""What became of records: of one export, of all of them, and as metrics (`otel.sdk.exporter.*`)."""

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
"""Reasons by which a record was none to be exported."""
_built: Counter[str] = Counter()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExporterStats:
    """What became of the records given to one exporter in this process.

    Each record is counted once for each `export` it was in: as `exported`, as `failed`, or as `dropped`.
    A record that can be no event counts as `failed` with a batch that is handed back.
    """

    exported: int
    """Events that PostHog answered 200 for."""
    retried: int
    """Events sent once more within their export, counted at each repetition."""
    failed: int
    """Events handed back by a FAILURE: they could succeed later, and are the caller's to keep or to lose."""
    dropped: Mapping[str, int]
    """Records that never will be events in PostHog, by reason."""
    changed: Mapping[str, int]
    """Events that lack something of their record, by what was done: `cut` (values, to fit; the event says
    `posthog.cut`), `person_properties` (left out, as the event makes no person)."""


@dataclass(slots=True)
class Outcome:
    """What became of one export."""

    counts: Counter[str] = field(default_factory=Counter)
    """Numbers of events by the names of `ExporterStats`."""
    dropped: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    retry_after: float | None = None
    """Seconds that the server asks to wait for."""
    failure: str = ""
    """Why some of it could succeed later, in a few words: `HTTP 503`, or the class of what `requests` raised."""
    refusal: str = ""
    """Why PostHog will never take some of it, such as `HTTP 401`; empty where it took all."""


class Tally:
    """Adds up exports. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # re-entrant: a signal handler may export too
        self._counts: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._changed: Counter[str] = Counter()

    def add(self, outcome: Outcome) -> None:
        """Add one export."""
        with self._lock:
            self._counts.update(outcome.counts)
            self._dropped.update(outcome.dropped)
            self._changed.update(outcome.changed)

    def snapshot(self) -> ExporterStats:
        """Return the counts as they are now."""
        with self._lock:
            return ExporterStats(
                exported=self._counts["exported"],
                retried=self._counts["retried"],
                failed=self._counts["failed"],
                dropped=MappingProxyType(dict(self._dropped)),
                changed=MappingProxyType(dict(self._changed)),
            )


class ExporterMetrics:
    """The metrics of one exporter, by OpenTelemetry's conventions for SDKs. Thread-safe.

    An export goes on, whatever an instrument of the application's meter provider raises.
    """

    def __init__(self, signal: str, url: str, meter_provider: MeterProvider) -> None:
        kind = f"posthog_{signal}_exporter"
        address = urlsplit(url)
        self._attributes: dict[str, Any] = {
            "otel.component.type": kind,
            "otel.component.name": f"{kind}/{_built[kind]}",
            "server.address": address.hostname or "",
            "server.port": address.port or (80 if address.scheme == "http" else 443),
        }
        _built[kind] += 1
        meter = meter_provider.get_meter("opentelemetry-exporter-posthog", __version__)
        unit = "{log_record}" if signal == "log" else "{span}"
        self._inflight = meter.create_up_down_counter(f"otel.sdk.exporter.{signal}.inflight", unit)
        self._exported = meter.create_counter(f"otel.sdk.exporter.{signal}.exported", unit)
        self._duration = meter.create_histogram("otel.sdk.exporter.operation.duration", "s")

    def begin(self, records: int) -> None:
        """Count records that are given to an export."""
        with suppress(Exception):
            self._inflight.add(records, self._attributes)

    def end(self, records: int, seconds: float, outcome: Outcome) -> None:
        """Count the end of an export."""
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
    """Return the metrics of an exporter, or None where the SDK's own metrics are not switched on either."""
    if os.environ.get(_SWITCH, "").strip().lower() != "true":
        return None
    try:
        return ExporterMetrics(
            signal, url or "https://us.i.posthog.com", meter_provider or get_meter_provider()
        )
    except Exception:  # noqa: BLE001  # a provider of another type
        return None
