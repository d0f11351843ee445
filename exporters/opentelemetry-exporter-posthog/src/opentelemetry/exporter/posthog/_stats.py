"""Counters that anyone can read."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.exporter.posthog._metrics import ExporterMetrics


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


class Tally:
    """Counts, and tells the metrics, if there are any. Thread-safe."""

    def __init__(self, metrics: ExporterMetrics | None = None) -> None:
        self._metrics = metrics
        self._lock = threading.RLock()  # re-entrant: a signal handler may export too
        self._counts: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._changed: Counter[str] = Counter()

    def add(
        self,
        *,
        exported: int = 0,
        retried: int = 0,
        failed: int = 0,
        dropped: Mapping[str, int] | None = None,
        changed: Mapping[str, int] | None = None,
    ) -> None:
        """Count events and records, by the names of `ExporterStats`."""
        with self._lock:
            self._counts.update(exported=exported, retried=retried, failed=failed)
            self._dropped.update(dropped or {})
            self._changed.update(changed or {})
        if self._metrics:
            self._metrics.add(exported, failed, dropped or {})

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
