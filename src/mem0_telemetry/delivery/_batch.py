# SPDX-License-Identifier: Apache-2.0
"""A batch, its file name in the spool, and the batcher that makes batches of emitted records."""

from __future__ import annotations

import copy
import dataclasses
import os
import re
from typing import TYPE_CHECKING, Final

from mem0_telemetry.base.guard import foreign_guard
from mem0_telemetry.delivery._encode import encode, line_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Literal

    from opentelemetry.sdk._logs import ReadableLogRecord

    from mem0_telemetry.delivery._config import Wiring

    Ending = Literal["done", "corrupt", "again"]

_PATTERN: Final = re.compile(r"(\d{20})-([0-9a-f]{8})-(\d{1,6})\.v(\d{1,6})\.jsonl")
PARTIAL: Final = ".part"
"""Suffix of a file that is still being written."""
CORRUPT: Final = ".corrupt"
"""Suffix of a file that could not be read."""
_LATEST_NS: Final = 2**63 - 1
"""The latest time that a name contains, in 20 digits; a clock may be set to a later one."""
MAX_BYTES: Final = 2 * 1024 * 1024
"""Bytes in the largest spool file. Parsing one of this size holds the GIL for a tenth of a second."""
MAX_RECORDS: Final = 1000
"""Records in the largest spool file that is read: twice the default of `Limits.batch_records`, its upper limit."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BatchName:
    """The name `<time>-<random>-<records>.v<format>.jsonl`, which sorts by time and contains the number of records."""

    time_ns: int
    token: str
    count: int
    version: int = 1

    @classmethod
    def new(cls, *, time_ns: int, count: int) -> BatchName:
        """Make a name that no other process uses."""
        return cls(time_ns=min(max(0, time_ns), _LATEST_NS), token=os.urandom(4).hex(), count=count)

    @classmethod
    def parse(cls, text: str) -> BatchName | None:
        """Return the parts of a file's name, or None if it is not the name of a batch, of any version."""
        match = _PATTERN.fullmatch(text)
        if match is None:
            return None
        time_ns, token, count, version = match.groups()
        return cls(time_ns=int(time_ns), token=token, count=int(count), version=int(version))

    @property
    def readable(self) -> bool:
        """Return whether this version can read the file; one in a newer format must be left alone."""
        return self.version == 1

    def __str__(self) -> str:
        return f"{self.time_ns:020d}-{self.token}-{self.count}.v{self.version}.jsonl"


def readable_count(text: str) -> int | None:
    """Return the number of records in the file of that name, or None if it is not a batch that we can read."""
    name = BatchName.parse(text)
    return name.count if name is not None and name.readable else None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Records, and the same records as one line of OTLP/JSON."""

    name: str
    line: bytes
    records: Sequence[ReadableLogRecord]

    @classmethod
    def of(cls, name: str, entries: Sequence[tuple[ReadableLogRecord, str]]) -> Batch:
        """Make a batch of records, each paired with its result of `encode`."""
        return cls(name=name, line=line_of(entries), records=[record for record, _ in entries])


class Claim:
    """The lock on a batch: nobody else can send it until the claim ends. A claim ends only once.

    Args:
        read: returns the line.
        end: removes the file, renames it or leaves it there, and releases the lock.
    """

    def __init__(self, read: Callable[[], bytes], end: Callable[[Ending], None]) -> None:
        self._read = read
        self._end = end
        self._ended = False

    def read(self) -> bytes:
        """Return the batch's line. Raises `OSError` if it cannot be read."""
        if self._ended:
            raise FileNotFoundError
        return self._read()

    def end(self, ending: Ending) -> None:
        """End the claim unless it has ended. Raises `OSError` if the batch cannot be removed; it is tried again.

        Args:
            ending: the batch is done, is corrupt, or must be tried again.
        """
        if not self._ended:
            self._ended = True
            self._end(ending)


class Batcher:
    """Selects, counts and encodes records, and makes batches of them. For one thread at a time."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._last_ns = 0
        self._entries: list[tuple[ReadableLogRecord, str]] = []

    @property
    def is_full(self) -> bool:
        """Return whether the batch has `batch_records` records."""
        return len(self._entries) >= self._wiring.limits.batch_records

    def add(self, record: ReadableLogRecord) -> None:
        """Add `record` to the batch if `accept` keeps it and it can be encoded; otherwise count it as dropped."""
        reason = "unencodable"
        with foreign_guard("selecting and encoding a record"):
            selected = self._wiring.accept(record)
            if selected is not None:
                self._entries.append((selected, encode(selected)))
                return
            reason = "rejected"
        self._wiring.drops.count(reason)

    def batch(self) -> Batch | None:
        """Return the added records, with the drop counts so far on the first; None if there are no records."""
        entries, self._entries = self._entries, []
        if not entries:
            return None
        drops = self._wiring.drops
        dropped_attributes = self._wiring.dropped_attributes
        if dropped_attributes is not None and (counts := drops.unreported()):
            with foreign_guard("reporting dropped records"):
                carrier = self._wiring.accept(_with(entries[0][0], dropped_attributes(counts)))
                if carrier is not None:
                    entries[0] = (carrier, encode(carrier))
                    drops.reported(counts)
        # Never go back: a batch named while the wall clock was set back would soon count as too old.
        self._last_ns = max(self._wiring.clock.time_ns(), self._last_ns + 1)
        return Batch.of(str(BatchName.new(time_ns=self._last_ns, count=len(entries))), entries)


def _with(record: ReadableLogRecord, attributes: Mapping[str, Any]) -> ReadableLogRecord:
    """Return a copy of the record with these additional attributes."""
    log_record = copy.copy(record.log_record)
    log_record.attributes = {**(log_record.attributes or {}), **attributes}
    return dataclasses.replace(record, log_record=log_record)
