"""A batch, and the name under which it is spooled."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadableLogRecord

_PATTERN: Final = re.compile(r"(\d{20})-([0-9a-f]{8})-(\d{1,6})\.v(\d{1,6})\.jsonl")
PARTIAL: Final = ".part"
"""Follows the name of a file that is still being written."""
CORRUPT: Final = ".corrupt"
"""Follows the name of a file that could not be read."""
DONE: Final = b"\n"
"""All that is in a file that has been sent but could not be removed. An empty one has lost its batch."""

MAX_BYTES: Final = 2 * 1024 * 1024
"""Size of the largest spool file. Parsing holds the interpreter lock, and a file of this size a tenth of a second."""
MAX_RECORDS: Final = 1000
"""Records in the largest spool file that is read; twice what is written, for those who set `Limits.batch_records`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchName:
    """`<time>-<random>-<records>.v<format>.jsonl`: sorts by time, tells the count without being opened."""

    time_ns: int
    token: str
    count: int
    version: int = 1

    @classmethod
    def new(cls, *, time_ns: int, count: int) -> BatchName:
        """A name that no other process uses."""
        return cls(time_ns=max(0, time_ns), token=os.urandom(4).hex(), count=count)

    @classmethod
    def parse(cls, text: str) -> BatchName | None:
        """The facts in a file's name, or None where it is not one of ours (of whatever version)."""
        match = _PATTERN.fullmatch(text)
        if match is None:
            return None
        time_ns, token, count, version = match.groups()
        return cls(time_ns=int(time_ns), token=token, count=int(count), version=int(version))

    @property
    def readable(self) -> bool:
        """False for the format of a newer package: to be left alone."""
        return self.version == 1

    def __str__(self) -> str:
        return f"{self.time_ns:020d}-{self.token}-{self.count}.v{self.version}.jsonl"


def readable_count(text: str) -> int | None:
    """Records in the file of that name, or None where it is not a batch that we can read."""
    name = BatchName.parse(text)
    return name.count if name is not None and name.readable else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Records, and the line of OTLP/JSON that says the same."""

    name: str
    line: bytes
    records: tuple[ReadableLogRecord, ...]

    @property
    def count(self) -> int:
        """How many records it holds."""
        return len(self.records)
