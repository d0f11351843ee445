"""What the caller says about a destination, the numbers of the pipeline, and what a snapshot of it tells."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.sdk._logs.export import LogRecordExporter

THREAD_PREFIX: Final = "mem0-telemetry"
"""Threads are named `<prefix>-writer` and `<prefix>-sender-<destination>`."""

DROP_REASONS: Final = (
    "queue_full",  # the queue held its maximum
    "rejected",  # `accept` answered None
    "unencodable",  # not expressible in OTLP, or `emit` or `accept` raised
    "spool_full",  # the oldest batch had to go for the newest (bytes)
    "expired",  # older than the spool keeps
    "corrupt",  # a spool file that cannot be read
    "undeliverable",  # the destination refused this batch again and again while others got through
    "refused",  # the destination will never take them
    "discarded",  # switched off while running
    "shut_down",  # put after `shutdown`
)
"""Every reason that this package counts under; callers may count others with `Delivery.count_dropped`."""

State = Literal["ok", "refused", "retrying", "quiet", "unusable"]


def _none_dropped(_: LogRecordExporter) -> Mapping[str, int]:
    return {}


def _say_nothing(_: str) -> None:
    """Leave a refusal to the history and the snapshot."""


def mailbox_name(name: str, fingerprint: str) -> str:
    """What a destination's directory is called: `<name>-<fingerprint>`, with nothing that a path could mean."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", f"{name}-{fingerprint}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where batches go, and how to build the exporter that takes them there."""

    name: str
    """Exporter name, such as `posthog`."""
    fingerprint: str
    """Short hash of endpoint and key, made by the caller: batches of one are never sent to another."""
    build: Callable[[], LogRecordExporter]
    """Makes the exporter. Called on the sender's thread, inside the fork gate: it may import, but must not
    use the network. If it raises, the destination is `unusable` until a later try succeeds; its batches wait
    on disk.

    The exporter may have `warm_up()`, called right after in the same way (imports), and `retry_after` (seconds or
    None) and `failure` (why, in a few words), read after each FAILURE, and `refusal` (why the destination will never
    take the batch, or part of it; empty where it took it), read after each SUCCESS. SUCCESS means that it is done with
    the batch, FAILURE that it is to be tried again.
    """
    foreign_loggers: tuple[str, ...] = ()
    """Exact names of the loggers that its calls speak through. Records from our threads are dropped there."""
    dropped: Callable[[LogRecordExporter], Mapping[str, int]] = _none_dropped
    """Reads how many records an exporter has given up so far, by its own reasons, after each SUCCESS. They are counted
    as `refused`, and not as sent."""
    on_refusal: Callable[[str], None] = _say_nothing
    """Called on the sender's thread with each `refusal`."""

    @property
    def mailbox(self) -> str:
        """What its directory is called."""
        return mailbox_name(self.name, self.fingerprint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The numbers of the pipeline. The defaults are what is promised; tests shorten the times."""

    queue_events: int = 20_000
    """Events that wait for the writer at most; the newest is dropped."""
    batch_records: int = 500
    """Records in one file, and in one request."""
    linger: float = 0.2
    """Seconds between two writes: what comes meanwhile shares a file. After a pause it is written at once."""
    write_bound: float = 5.0
    """Seconds that exit and `shutdown` wait for the queue to be written where the disk does not answer."""
    spool_bytes: int = 32 * 1024 * 1024
    """Bytes on disk for each destination; a file counts for whole blocks of 4 KiB."""
    spool_age: float = 7 * 24 * 3600.0
    """Seconds after which a batch that could not be sent is dropped."""
    memory_bytes: int = 8 * 1024 * 1024
    """Bytes of OTLP/JSON kept in memory for each destination where the disk cannot be used."""
    cache_bytes: int = 2 * 1024 * 1024
    """Bytes of OTLP/JSON of the newest batches whose records are kept in memory beside their file."""
    backoff_initial: float = 1.0
    """Seconds after the first failure; doubles with each."""
    quiet_after: int = 6
    """Failures in a row after which the destination is left alone for `quiet_interval`."""
    quiet_interval: float = 300.0
    """Seconds between two tries of a quiet destination."""
    retry_after_max: float = 3600.0
    """Seconds of a `retry_after` that are honoured at most."""
    probe_after: int = 3
    """Failures in a row of one batch after which the next one is tried once."""
    condemn_after: int = 20
    """Failures of a batch, while others got through, after which it is dropped."""
    busy_interval: float = 5.0
    """Seconds after which batches that another process held are looked at again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationSnapshot:
    """One destination, as it stood when it was asked."""

    name: str
    state: State
    """`ok`, `refused` (the last batch, or part of it), `retrying` (backing off), `quiet` (failing for long, tried
    seldom), `unusable` (not built)."""
    reason: str
    """Why it is not `ok`, in words; empty where it is."""
    sent: int
    """Records that the exporter was done with, in this process; those of earlier runs included."""
    waiting: int
    """Records of this process that wait for it."""
    waiting_earlier: int
    """Records on disk that other processes or earlier runs left for it."""
    on_disk: bool
    """False where the newest batch could only be kept in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySnapshot:
    """The pipeline of this process, as it stood when it was asked."""

    destinations: tuple[DestinationSnapshot, ...]
    queued: int
    """Events that wait for the writer."""
    spooled: int
    """Records written to the spool (or kept in memory in its place)."""
    dropped: Mapping[str, int]
    """Records dropped, by reason; see `DROP_REASONS`."""
    threads: tuple[str, ...]
    """Names of the threads that run."""

    @property
    def sent(self) -> int:
        """Records that exporters were done with, over all destinations."""
        return sum(destination.sent for destination in self.destinations)

    @property
    def waiting_earlier(self) -> int:
        """Records on disk that other processes or earlier runs left, over all destinations."""
        return sum(destination.waiting_earlier for destination in self.destinations)
