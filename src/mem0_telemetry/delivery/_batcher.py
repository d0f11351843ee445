"""Records that were emitted become one batch: selected, counted, encoded."""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING

from mem0_telemetry.base.guard import guard
from mem0_telemetry.delivery._batch import Batch, BatchName
from mem0_telemetry.delivery._encode import Encoder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from opentelemetry.sdk._logs import ReadableLogRecord

    from mem0_telemetry.base.clock import Clock
    from mem0_telemetry.delivery._drops import Drops

    DroppedAttributes = Callable[[Mapping[str, int]], Mapping[str, Any]]


class Batcher:
    """Makes batches. For one thread at a time."""

    def __init__(
        self,
        *,
        accept: Callable[[ReadableLogRecord], ReadableLogRecord | None],
        dropped_attributes: DroppedAttributes | None,
        drops: Drops,
        clock: Clock,
    ) -> None:
        self._accept = accept
        self._dropped_attributes = dropped_attributes
        self._drops = drops
        self._clock = clock
        self._encoder = Encoder()
        self._last_ns = 0

    def batch(self, records: Sequence[ReadableLogRecord]) -> Batch | None:
        """Those of `records` that are accepted, the first with the drop counts so far; None where none is."""
        entries = []
        rejected = 0
        for record in records:
            with guard("selecting and encoding a record"):
                selected = self._accept(record)
                if selected is None:
                    rejected += 1
                else:
                    entries.append((selected, self._encoder.record(selected)))
        self._drops.count("rejected", rejected)
        self._drops.count("unencodable", len(records) - rejected - len(entries))
        if not entries:
            return None
        if self._dropped_attributes is not None and (counts := self._drops.unreported()):
            with guard("reporting dropped records"):
                carrier = self._accept(_with(entries[0][0], self._dropped_attributes(counts)))
                if carrier is not None:
                    entries[0] = (carrier, self._encoder.record(carrier))
                    self._drops.reported(counts)
        # Never back: a batch named while the wall's clock was set back would soon be taken for an old one.
        self._last_ns = max(self._clock.time_ns(), self._last_ns + 1)
        return Batch(
            name=str(BatchName.new(time_ns=self._last_ns, count=len(entries))),
            line=self._encoder.line(entries),
            records=tuple(record for record, _ in entries),
        )


def _with(record: ReadableLogRecord, attributes: Mapping[str, Any]) -> ReadableLogRecord:
    """The same record with these attributes too; the given one is not changed."""
    log_record = copy.copy(record.log_record)
    log_record.attributes = {**(log_record.attributes or {}), **attributes}
    return dataclasses.replace(record, log_record=log_record)
