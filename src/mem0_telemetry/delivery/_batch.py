# SPDX-License-Identifier: Apache-2.0
"""A batch, the name under which it is spooled, and how it is made of records that were emitted."""

from __future__ import annotations

import copy
import dataclasses
import os
import re
from typing import TYPE_CHECKING, Final

from mem0_telemetry.base.guard import guard
from mem0_telemetry.delivery._encode import encode, line_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Literal

    from opentelemetry.sdk._logs import ReadableLogRecord

    from mem0_telemetry.delivery._config import Wiring

    Ending = Literal["done", "corrupt", "again"]

_PATTERN: Final = re.compile(r"(\d{20})-([0-9a-f]{8})-(\d{1,6})\.v(\d{1,6})\.jsonl")
PARTIAL: Final = ".part"
"""Follows the name of a file that is still being written."""
CORRUPT: Final = ".corrupt"
"""Follows the name of a file that could not be read."""

_LATEST_NS: Final = 2**63 - 1
"""The latest time that a name tells, in 20 digits; a clock may be set past it."""
MAX_BYTES: Final = 2 * 1024 * 1024
"""Size of the largest spool file. Parsing holds the interpreter lock, and a file of this size a tenth of a second."""
MAX_RECORDS: Final = 1000
"""Records in the largest spool file that is read; twice what is written, for those who set `Limits.batch_records`."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BatchName:
    """`<time>-<random>-<records>.v<format>.jsonl`: sorts by time, tells the count without being opened."""

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
        """Return what a file's name says, or None where it is not one of ours (of whatever version)."""
        match = _PATTERN.fullmatch(text)
        if match is None:
            return None
        time_ns, token, count, version = match.groups()
        return cls(time_ns=int(time_ns), token=token, count=int(count), version=int(version))

    @property
    def readable(self) -> bool:
        """Return False for the format of a newer package: to be left alone."""
        return self.version == 1

    def __str__(self) -> str:
        return f"{self.time_ns:020d}-{self.token}-{self.count}.v{self.version}.jsonl"


def readable_count(text: str) -> int | None:
    """Return the records in the file of that name, or None where it is not a batch that we can read."""
    name = BatchName.parse(text)
    return name.count if name is not None and name.readable else None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Records, and the line of OTLP/JSON that says the same."""

    name: str
    line: bytes
    records: Sequence[ReadableLogRecord]

    @classmethod
    def of(cls, name: str, entries: Sequence[tuple[ReadableLogRecord, str]]) -> Batch:
        """Make a batch of records, each with what `encode` made of it."""
        return cls(name=name, line=line_of(entries), records=[record for record, _ in entries])


class Claim:
    """A batch that nobody else can send until the claim ends, which it does once.

    Args:
        read: returns the line.
        end: removes the file, sets it aside or leaves it, and lets go of it.
    """

    def __init__(self, read: Callable[[], bytes], end: Callable[[Ending], None]) -> None:
        self._read = read
        self._end = end
        self._ended = False

    def read(self) -> bytes:
        """Return its line. Raises `OSError` where it cannot be read."""
        if self._ended:
            raise FileNotFoundError
        return self._read()

    def end(self, ending: Ending) -> None:
        """End the claim, unless it has ended: the batch is done with, cannot be read, or is to be tried again.

        Raises:
            OSError: the disk does not let go of the batch; it will be tried again.
        """
        if not self._ended:
            self._ended = True
            self._end(ending)


class Batcher:
    """Makes batches of records: selected, counted, encoded. For one thread at a time."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._last_ns = 0
        self._entries: list[tuple[ReadableLogRecord, str]] = []

    @property
    def is_full(self) -> bool:
        """Return whether the batch has as many records as it may have."""
        return len(self._entries) >= self._wiring.limits.batch_records

    def add(self, record: ReadableLogRecord) -> None:
        """Add `record` to the batch, if it is accepted; else count it."""
        reason = "unencodable"
        with guard("selecting and encoding a record"):
            selected = self._wiring.accept(record)
            if selected is not None:
                self._entries.append((selected, encode(selected)))
                return
            reason = "rejected"
        self._wiring.drops.count(reason)

    def batch(self) -> Batch | None:
        """Return what was added, the first record with the drop counts so far; None where that is nothing."""
        entries, self._entries = self._entries, []
        if not entries:
            return None
        drops = self._wiring.drops
        dropped_attributes = self._wiring.dropped_attributes
        if dropped_attributes is not None and (counts := drops.unreported()):
            with guard("reporting dropped records"):
                carrier = self._wiring.accept(_with(entries[0][0], dropped_attributes(counts)))
                if carrier is not None:
                    entries[0] = (carrier, encode(carrier))
                    drops.reported(counts)
        # Never back: a batch named while the wall's clock was set back would soon be taken for an old one.
        self._last_ns = max(self._wiring.clock.time_ns(), self._last_ns + 1)
        return Batch.of(str(BatchName.new(time_ns=self._last_ns, count=len(entries))), entries)


def _with(record: ReadableLogRecord, attributes: Mapping[str, Any]) -> ReadableLogRecord:
    """Return the same record with these attributes too; the given one is not changed."""
    log_record = copy.copy(record.log_record)
    log_record.attributes = {**(log_record.attributes or {}), **attributes}
    return dataclasses.replace(record, log_record=log_record)
