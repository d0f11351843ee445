# SPDX-License-Identifier: Apache-2.0
"""What goes into one request: batches that nobody else can send meanwhile, and their records."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mem0_telemetry.base.files import NotOursError
from mem0_telemetry.base.guard import guard
from mem0_telemetry.delivery._batch import MAX_RECORDS, Batch, Claim, readable_count
from mem0_telemetry.delivery._decode import CorruptLineError, decode
from mem0_telemetry.delivery._encode import encode, joined

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord

    from mem0_telemetry.delivery._config import Wiring
    from mem0_telemetry.delivery._mailbox import Mailbox


_MOST_BATCHES: Final = 32
"""Batches in one request: each holds a file open, and the application needs descriptors too."""


@dataclass(slots=True)
class Parcel:
    """Claimed batches, oldest first. Empty where none of them had anything to be sent."""

    _mailbox: Mailbox
    _claimed: list[tuple[Batch, Claim]]

    @property
    def names(self) -> list[str]:
        """Return the names of the batches."""
        return [batch.name for batch, _ in self._claimed]

    @property
    def records(self) -> list[ReadableLogRecord]:
        """Return all their records, in order."""
        return [record for batch, _ in self._claimed for record in batch.records]

    @property
    def line(self) -> bytes:
        """Return one line of OTLP/JSON with all their records."""
        return joined([batch.line for batch, _ in self._claimed])

    def done(self) -> list[str]:
        """Let all of it go, as the destination is done with it. Return the names of what the disk does not let go."""
        kept = self.names
        for batch, claim in self._claimed:
            with suppress(OSError):
                self._mailbox.done(batch.name, claim)
                kept.remove(batch.name)
        return kept

    def release(self) -> None:
        """Let what is not done be tried again."""
        for _, claim in self._claimed:
            claim.end("again")


class Packer:
    """Claims batches of one mailbox. For one thread."""

    def __init__(self, wiring: Wiring, mailbox: Mailbox) -> None:
        self._wiring = wiring
        self._mailbox = mailbox

    def pack(self, in_line: Sequence[str], may_join: Callable[[str], bool]) -> Parcel | None:
        """Claim the first batch that is free, and as many of the next as may join it.

        What cannot be read is set aside and counted on the way. None where all are busy elsewhere, gone, or
        cannot be read at present.
        """
        claimed: list[tuple[Batch, Claim]] = []
        found, room = False, self._wiring.limits.batch_records
        for name in in_line:
            joins = may_join(name)
            is_full = (readable_count(name) or 0) > room or len(claimed) == _MOST_BATCHES
            if claimed and (is_full or not joins):
                break
            if (claim := self._mailbox.claim(name)) is None:
                continue
            batch = None
            # An `OSError`, as `EMFILE`, `EIO` or a directory that is read-only by now, is nobody's fault.
            with guard("reading a batch"), suppress(OSError):
                batch = self._mailbox.recent(name) or self._read(name, claim)
                found = True
            if batch is None:
                claim.end("again")  # later, unless it has ended, as there was nothing to be sent
                continue
            claimed.append((batch, claim))
            room -= len(batch.records)
            if not joins:
                break
        return Parcel(self._mailbox, claimed) if found else None

    def _read(self, name: str, claim: Claim) -> Batch | None:
        """Return a batch of another process, selected again; None, and it is done with, if there is nothing to send.

        Raises:
            OSError: it cannot be read at present, or cannot be let go.
        """
        drops, count = self._wiring.drops, readable_count(name) or 0
        try:
            records = decode(claim.read(), most=min(count, MAX_RECORDS))
        except (NotOursError, CorruptLineError):
            self._mailbox.done(name, claim, corrupt=True)
            drops.count("corrupt", count)
            return None
        accepted = []
        for record in records:
            with guard("selecting a record that was read back"):
                if (selected := self._wiring.accept(record)) is not None:
                    accepted.append((selected, encode(selected)))
        if not accepted:
            self._mailbox.done(name, claim)
        drops.count("rejected", len(records) - len(accepted))
        drops.count("corrupt", count - len(records))
        return Batch.of(name, accepted) if accepted else None
