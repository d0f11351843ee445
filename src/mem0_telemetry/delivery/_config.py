# SPDX-License-Identifier: Apache-2.0
"""What the caller says: where batches go, the numbers of the pipeline, and what all its parts share."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk._logs.export import LogRecordExporter

    from mem0_telemetry.base.clock import Clock
    from mem0_telemetry.delivery._status import Drops


_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_-]")


def mailbox_name(name: str, fingerprint: str) -> str:
    """Return what a destination's directory is called: `<name>-<fingerprint>`, with nothing that a path could mean."""
    return _UNSAFE.sub("_", f"{name}-{fingerprint}")


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
    the batch, FAILURE that it is to be tried again. An answer counts by its name, whatever its
    class; None is a SUCCESS.
    """
    foreign_loggers: tuple[str, ...] = ()
    """Exact names of the loggers that its calls speak through. Records from our threads are dropped there."""
    dropped: Callable[[LogRecordExporter], Mapping[str, int]] = lambda _: {}
    """Reads how many records an exporter has given up so far, by its own reasons, after each SUCCESS. They are counted
    as `refused`, and not as sent."""
    on_refusal: Callable[[str], None] = lambda _: None
    """Called on the sender's thread with each `refusal`."""
    on_unusable: Callable[[str], None] = lambda _: None
    """Called on the sender's thread with the class of what `build` raised, each time."""

    @property
    def mailbox(self) -> str:
        """Return what its directory is called."""
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
    busy_interval: float = 5.0
    """Seconds after which batches that another process held are looked at again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What the parts of one delivery share. The first five are described at `Delivery`."""

    directory: Path | None
    emit: Callable[[int, str, Mapping[str, Any]], None]
    dropped_attributes: Callable[[Mapping[str, int]], Mapping[str, Any]] | None
    accept: Callable[[ReadableLogRecord], ReadableLogRecord | None]
    allowed: Callable[[], bool | None]
    discard: Callable[[], None]
    """Deletes what this process has queued and spooled, without waiting: for our own threads, once `allowed` says no.
    """
    backlog: Callable[[], int]
    """Returns how many events wait for the writer."""
    drops: Drops
    limits: Limits
    clock: Clock
    thread_prefix: str
    """Threads are named `<prefix>-writer` and `<prefix>-sender-<destination>`."""
