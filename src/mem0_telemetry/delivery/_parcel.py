# SPDX-License-Identifier: Apache-2.0
"""Group claimed batches into one export request."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mem0_telemetry.base.files import NotOursError
from mem0_telemetry.base.guard import foreign_guard, guard
from mem0_telemetry.delivery._batch import MAX_RECORDS, Batch, Claim, readable_count
from mem0_telemetry.delivery._decode import CorruptLineError, decode
from mem0_telemetry.delivery._encode import encode, joined

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord

    from mem0_telemetry.delivery._config import Wiring
    from mem0_telemetry.delivery._mailbox import Mailbox

_MOST_BATCHES: Final = 32
"""Most batches in one request: each keeps a file open, and the application needs descriptors too."""


@dataclass(slots=True)
class Parcel:
    """The claimed batches of one request, oldest first. Empty if none of them has records to send."""

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
        """Remove all batches, which were sent or refused. Return the names of those that cannot be removed."""
        kept = self.names
        for batch, claim in self._claimed:
            with suppress(OSError):
                self._mailbox.done(batch.name, claim)
                kept.remove(batch.name)
        return kept

    def release(self) -> None:
        """Release the batches that are not done, so they can be tried again."""
        for _, claim in self._claimed:
            claim.end("again")


class Packer:
    """Claims batches of one mailbox. For one thread."""

    def __init__(self, wiring: Wiring, mailbox: Mailbox) -> None:
        self._wiring = wiring
        self._mailbox = mailbox

    def pack(self, in_line: Sequence[str], may_join: Callable[[str], bool]) -> Parcel | None:
        """Claim the first free batch, and as many of the following ones as may join it.

        Rename and count corrupt batches. Return None if every batch is claimed elsewhere, gone, or unreadable now.
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
            # Do not report an `OSError`, such as `EMFILE`, `EIO` or a read-only directory: the system is at fault.
            with guard("reading a batch"), suppress(OSError):
                batch = self._mailbox.recent(name) or self._read(name, claim)
                found = True
            if batch is None:
                claim.end("again")  # no effect if `_read` has ended it: nothing was left to send
                continue
            claimed.append((batch, claim))
            room -= len(batch.records)
            if not joins:
                break
        return Parcel(self._mailbox, claimed) if found else None

    def _read(self, name: str, claim: Claim) -> Batch | None:
        """Read a batch back and select its records again. If nothing is left to send, remove it and return None.

        Raises `OSError` if the batch cannot be read or removed now.
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
            with foreign_guard("selecting a record that was read back"):
                if (selected := self._wiring.accept(record)) is not None:
                    accepted.append((selected, encode(selected)))
        if not accepted:
            self._mailbox.done(name, claim)
        drops.count("rejected", len(records) - len(accepted))
        drops.count("corrupt", count - len(records))
        return Batch.of(name, accepted) if accepted else None
