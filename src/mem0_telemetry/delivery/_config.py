# SPDX-License-Identifier: Apache-2.0
"""The configuration of a delivery: its destinations, its limits, and the objects that its parts share."""

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
    """Return the name of a destination's directory, `<name>-<fingerprint>`, without characters special in a path."""
    return _UNSAFE.sub("_", f"{name}-{fingerprint}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A place to which batches go, and how to build the exporter that sends them there."""

    name: str
    """Exporter name, such as `posthog`."""
    fingerprint: str
    """Short hash of endpoint and key, from the caller: batches for one fingerprint never go to another."""
    build: Callable[[], LogRecordExporter]
    """Makes the exporter. The sender calls it on its thread, inside the fork gate: it may import, but must not use the
    network. If it raises, the destination is `unusable` until a later try succeeds; its batches stay on disk.

    The exporter may have these members: `warm_up()`, which the sender calls next under the same rules, for imports;
    `retry_after` (seconds or None) and `failure` (why, in a few words), read after each FAILURE; and `refusal` (why the
    destination will never take the batch, or part of it; empty if it took all), read after each SUCCESS. SUCCESS means
    that the exporter is done with the batch, FAILURE that the sender must retry. The sender compares results by name,
    whatever their class; None is a SUCCESS.
    """
    foreign_loggers: tuple[str, ...] = ()
    """Exact names of the loggers that the exporter's calls log to. They drop the records of the sender's thread."""
    dropped: Callable[[LogRecordExporter], Mapping[str, int]] = lambda _: {}
    """Returns how many records the exporter has dropped so far, by its own reasons. The sender calls it after each
    SUCCESS, and counts these records as `refused`, not as sent."""
    on_refusal: Callable[[str], None] = lambda _: None
    """Called on the sender's thread with each `refusal`."""
    on_unusable: Callable[[str], None] = lambda _: None
    """Called on the sender's thread with the class name of each exception that `build` raises."""

    @property
    def mailbox(self) -> str:
        """Return the name of the directory of its batches."""
        return mailbox_name(self.name, self.fingerprint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The sizes and times of the pipeline. The documentation promises the defaults; tests shorten the times."""

    queue_events: int = 20_000
    """Most events in the queue; further events are dropped."""
    batch_records: int = 500
    """Most records in one file, and in one request."""
    linger: float = 0.2
    """Seconds between two writes: events in between share a file. The first event after a pause is written at once."""
    write_bound: float = 5.0
    """Most seconds that exit and `shutdown` wait for the disk to write the queue, unless their timeout is longer."""
    spool_bytes: int = 32 * 1024 * 1024
    """Bytes on disk for each destination; each file counts as whole blocks of 4 KiB."""
    spool_age: float = 7 * 24 * 3600.0
    """Seconds after which an unsent batch is dropped."""
    memory_bytes: int = 8 * 1024 * 1024
    """Bytes of OTLP/JSON kept in memory for each destination if the disk cannot be used."""
    cache_bytes: int = 2 * 1024 * 1024
    """Bytes of OTLP/JSON of the newest batches whose records stay in memory in addition to their file."""
    backoff_initial: float = 1.0
    """Seconds of pause after the first failure; each further failure doubles it."""
    quiet_after: int = 6
    """Failures in a row after which the pause is `quiet_interval`."""
    quiet_interval: float = 300.0
    """Seconds between two attempts with a quiet destination."""
    retry_after_max: float = 3600.0
    """Most seconds of a `retry_after` that the sender honours."""
    busy_interval: float = 5.0
    """Most seconds until the sender checks again whether batches that another process holds are free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """The objects that the parts of one delivery share. `Delivery` documents the first five."""

    directory: Path | None
    emit: Callable[[int, str, Mapping[str, Any]], None]
    dropped_attributes: Callable[[Mapping[str, int]], Mapping[str, Any]] | None
    accept: Callable[[ReadableLogRecord], ReadableLogRecord | None]
    allowed: Callable[[], bool | None]
    discard: Callable[[], None]
    """Deletes this process's queue and batches without waiting; our threads call it once `allowed` returns False."""
    backlog: Callable[[], int]
    """Returns the number of events in the queue."""
    drops: Drops
    limits: Limits
    clock: Clock
    thread_prefix: str
    """Threads are named `<prefix>-writer` and `<prefix>-sender-<destination>`."""
