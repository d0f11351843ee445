"""What an exporter says about itself, by OpenTelemetry's conventions for SDKs (`otel.sdk.exporter.*`)."""

from __future__ import annotations

import os
import threading
from collections import Counter
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


class ExporterMetrics:
    """The metrics of one exporter. Thread-safe; the cause of failures is that of the export that ends first.

    Args:
        signal: `log` or `span`.
        url: where it sends to.
        meter_provider: whose metrics these are.
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
        self._failed = 0
        self._lock = threading.Lock()

    def begin(self, records: int) -> None:
        """Count records that are given to an export."""
        self._inflight.add(records, self._attributes)

    def add(self, exported: int, failed: int, dropped: Mapping[str, int]) -> None:
        """Count events whose export is over, those that an export hands back, and records that are lost for good."""
        with self._lock:
            self._failed += failed
        self._count(exported)
        for reason, count in dropped.items():
            if reason not in _NO_EXPORT:
                self._count(count, reason)

    def end(self, records: int, seconds: float, error: str) -> None:
        """Count the end of an export."""
        self._inflight.add(-records, self._attributes)
        with self._lock:
            failed, self._failed = self._failed, 0
        self._count(failed, error or "failed")
        self._duration.record(seconds, self._with(error))

    def _count(self, records: int, error: str = "") -> None:
        if records:
            self._exported.add(records, self._with(error))

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
