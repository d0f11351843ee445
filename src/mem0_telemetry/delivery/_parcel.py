"""What goes into one request: batches that nobody else can send meanwhile, and their records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mem0_telemetry.base.files import NotOursError
from mem0_telemetry.base.guard import guard
from mem0_telemetry.delivery._batch import DONE, MAX_RECORDS, readable_count
from mem0_telemetry.delivery._decode import CorruptLineError, decode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord

    from mem0_telemetry.delivery._drops import Drops
    from mem0_telemetry.delivery._mailbox import Mailbox
    from mem0_telemetry.delivery._store import Claim


@dataclass(slots=True)
class Parcel:
    """Claimed batches and all their records, in order. Empty where none of them had anything to be sent."""

    _mailbox: Mailbox
    _claims: dict[str, Claim] = field(default_factory=dict)
    records: list[ReadableLogRecord] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """The batches in it, oldest first."""
        return list(self._claims)

    def add(self, name: str, claim: Claim, records: Sequence[ReadableLogRecord]) -> None:
        """One more batch."""
        self._claims[name] = claim
        self.records += records

    def done(self) -> None:
        """The destination is done with it all."""
        for name, claim in self._claims.items():
            self._mailbox.done(name, claim)

    def release(self) -> None:
        """It is to be tried again."""
        for claim in self._claims.values():
            claim.release()


class Packer:
    """Takes batches out of one mailbox. For one thread."""

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        accept: Callable[[ReadableLogRecord], ReadableLogRecord | None],
        drops: Drops,
        max_records: int,
    ) -> None:
        self._mailbox = mailbox
        self._accept = accept
        self._drops = drops
        self._max_records = max_records

    def pack(self, ready: Sequence[str], may_join: Callable[[str], bool]) -> Parcel | None:
        """The first batch of `ready` that is free, and as many of the next as may join it.

        What cannot be read is set aside and counted on the way. None where all are busy elsewhere, gone, or
        cannot be read at present.
        """
        parcel = Parcel(self._mailbox)
        found = False
        for name in ready:
            joins = may_join(name)
            size = readable_count(name) or 0
            if parcel.names and (not joins or len(parcel.records) + size > self._max_records):
                break
            claim = self._mailbox.claim(name)
            if claim is None:
                continue
            records = self._load(name, claim)
            if records is None:
                continue
            found = True
            if records:
                parcel.add(name, claim, records)
                if not joins:
                    break
        return parcel if found else None

    def _load(self, name: str, claim: Claim) -> Sequence[ReadableLogRecord] | None:
        """Return the records of a batch, selected again; none, and the batch is done with, if there is nothing to send.

        None, and the batch is released, where it cannot be read at present.
        """
        recent = self._mailbox.recent(name)
        if recent is not None and not claim.is_done():
            return recent.records  # selected when it was written
        count = readable_count(name) or 0
        try:
            line = claim.read()
            records = () if line == DONE else decode(line, most=min(count, MAX_RECORDS))
        except (NotOursError, CorruptLineError):
            self._drops.count("corrupt", count)
            self._mailbox.done(name, claim, corrupt=True)
            return ()
        except OSError:  # as `EMFILE` or `EIO`: it may be readable later
            claim.release()
            return None
        accepted = []
        for record in records:
            with guard("selecting a record that was read back"):
                if (selected := self._accept(record)) is not None:
                    accepted.append(selected)
        self._drops.count("rejected", len(records) - len(accepted))
        if line != DONE:
            self._drops.count("corrupt", count - len(records))
        if not accepted:
            self._mailbox.done(name, claim)
        return accepted
