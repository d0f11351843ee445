# SPDX-License-Identifier: Apache-2.0
"""Make one attempt with an exporter, which may be third-party, and decide when to try which batch next."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk._logs.export import LogRecordExportResult

from mem0_telemetry.base.guard import foreign_guard

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk._logs.export import LogRecordExporter

    from mem0_telemetry.delivery._config import Limits

_MAX_REASON_LENGTH: Final = 40
"""Most characters of an exporter's `failure` or `refusal`: a longer text may contain anything, and is not shown."""
_NOT_SHOWN: Final = "a reason that cannot be shown"
_IMMEDIATE_RETRIES: Final = 2
"""Failures without a pause after `retry_now`: one of a request with several batches, one of the oldest batch alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The result of an attempt."""

    done: bool
    """False if the sender must retry."""
    kind: str = ""
    """The kind of failure in a few words: the class of the exception, or else the exporter's `failure`. Nothing more
    about a failure is stored on disk."""
    reason: str = ""
    """The kind, followed by the exception's text if there was an exception; empty if done."""
    retry_after: float | None = None
    """Seconds for which the destination asked the sender to wait."""
    refusal: str = ""
    """Why the destination will never take the batch, or part of it; empty if it refused nothing."""


def attempt(exporter: LogRecordExporter, records: Sequence[ReadableLogRecord], *, name: str) -> Answer:
    """Pass `records` to the exporter of the destination `name`. Any exception from the exporter is a failure."""
    done = False
    raised = ErrorRecorder()
    with foreign_guard(f"exporting to {name}"), raised:
        result: object = exporter.export(records)
        # Compare names, not classes: older exporters return `LogExportResult`, and a module may be imported twice.
        # An exporter that returns None did not fail: the SDK's own processors ignore the result and also continue.
        done = result is None or getattr(result, "name", "") == LogRecordExportResult.SUCCESS.name
    if done:
        return Answer(done=True, refusal=_short_text(exporter, "refusal"))
    failure = _short_text(exporter, "failure")
    return Answer(
        done=False,
        kind=raised.kind or failure,
        reason=raised.text or failure or "the exporter reported a failure",
        retry_after=_seconds(exporter),
    )


def _seconds(exporter: LogRecordExporter) -> float | None:
    with foreign_guard("reading `retry_after` of an exporter"):  # an int may be too large for a float
        seconds = _member(exporter, "retry_after")
        return float(seconds) if isinstance(seconds, (int, float)) else None
    return None


def _short_text(exporter: LogRecordExporter, name: str) -> str:
    text = _member(exporter, name)
    if not isinstance(text, str):
        return ""
    return text if len(text) <= _MAX_REASON_LENGTH and text.isprintable() else _NOT_SHOWN


def _member(exporter: LogRecordExporter, name: str) -> object:
    """Return an optional member of the exporter; None if it is absent, or raises."""
    with foreign_guard(f"reading `{name}` of an exporter"):
        return getattr(exporter, name, None)
    return None


class ErrorRecorder:
    """Context manager that records the exception passing through it."""

    kind = text = ""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self.kind = self.text = type(error).__name__
            self.text = f"{self.kind}: {error}"  # which may raise


class Backoff:
    """The pause after a failure: it doubles with each consecutive one, and is `quiet_interval` after many."""

    def __init__(self, limits: Limits) -> None:
        self.failures = 0
        self.until = 0.0
        self._limits = limits
        self._random = random.Random()  # noqa: S311  # the application may have seeded the global one

    def failed(self, now: float) -> None:
        """Count a failure and begin the pause after it."""
        self.failures += 1
        if self.failures >= self._limits.quiet_after:
            delay = self._limits.quiet_interval
        else:
            delay = self._limits.backoff_initial * 2.0 ** (self.failures - 1)
        # Wait between half and all of the delay: processes that failed together must not retry together.
        self.until = now + delay * self._random.uniform(0.5, 1.0)

    def end(self) -> None:
        """Forget the failures, and end the pause."""
        self.failures, self.until = 0, 0.0


class Retry:
    """Decides which batch the sender tries next, and when. Uses no clock, thread or file. Not thread-safe.

    The oldest batch is first. A batch that fails moves to the end of the line, and the destination gets a pause that
    grows with each failure. When another batch succeeds, the destination works, so the batches that failed before
    become suspects. The sender tries suspects one at a time. Each failure of a suspect begins a longer pause, for
    suspects only. This class gives up no batch.
    """

    def __init__(self, limits: Limits) -> None:
        self.in_a_row = 0
        """Failed attempts since the last success."""
        self.destination, self.suspects = Backoff(limits), Backoff(limits)
        self._limits = limits
        self._asked_to_wait_until = 0.0
        self._immediate_retries = 0
        self._failed: dict[str, bool] = {}
        """The batches at the end of the line, in order; True marks a suspect."""

    @property
    def not_before(self) -> float:
        """Return the monotonic time in seconds before which the sender tries nothing."""
        return max(self.destination.until, self._asked_to_wait_until)

    @property
    def down(self) -> bool:
        """Return whether the destination seems to be down; failing suspects count only once it is `quiet`."""
        return self.destination.failures > 0 or self.quiet

    @property
    def quiet(self) -> bool:
        """Return whether `quiet_after` attempts in a row, or more, have failed."""
        return self.in_a_row >= self._limits.quiet_after

    def retry_now(self) -> None:
        """End the pauses for a waiting caller, also after the next failures. A `retry_after` still applies."""
        self.destination.until = self.suspects.until = 0.0
        self._immediate_retries = _IMMEDIATE_RETRIES

    def in_line(self, names: Sequence[str], now: float) -> list[str]:
        """Return the batches that may be tried now, in order. `names` are all unsent batches, oldest first."""
        waiting = set(names)
        self._failed = {name: suspect for name, suspect in self._failed.items() if name in waiting}
        if not names:
            self._immediate_retries = 0
        line = [name for name in names if name not in self._failed]
        line += [name for name, suspect in self._failed.items() if not suspect]
        if now < self.suspects.until:
            return line
        suspects = [name for name, suspect in self._failed.items() if suspect]
        # Suspects go first while the destination works: behind steadily arriving batches they would never be tried.
        return line + suspects if self.destination.failures else suspects + line

    def may_join(self, name: str) -> bool:
        """Return whether the batch may share a request: only if neither it nor the destination has failed."""
        return not self.destination.failures and name not in self._failed

    def failed(self, names: Sequence[str], now: float, retry_after: float | None, *, more: bool) -> None:
        """Record a failed attempt. If it had several batches, it does not show which of them is at fault.

        Args:
            names: the batches in the request.
            now: monotonic seconds.
            retry_after: seconds for which the destination asked the sender to wait.
            more: whether there are other unsent batches.
        """
        self.in_a_row += 1
        self._asked_to_wait_until = now + min(max(retry_after or 0.0, 0.0), self._limits.retry_after_max)
        if len(names) == 1:
            suspect = self._failed[names[0]] = self._failed.pop(names[0], False)
            if suspect:
                self.suspects.failed(now)
                return
        self.destination.failed(now)
        if self._immediate_retries and (more or len(names) > 1):
            self._immediate_retries -= 1
            self.destination.until = 0.0
        else:
            self._immediate_retries = 0

    def succeeded(self, names: Sequence[str], kept: Sequence[str], now: float) -> None:
        """Record a success. The destination works, so batches that failed before are suspects: the fault may be theirs.

        Args:
            names: the batches in the request.
            kept: the sent batches that cannot be removed: the sender sends them again, after a pause.
            now: monotonic seconds.
        """
        self.in_a_row = 0
        self.destination.end()
        self._asked_to_wait_until = 0.0
        for name in names:
            if name not in kept and self._failed.pop(name, False):
                self.suspects.end()
        if not all(self._failed.values()):
            self._failed = dict.fromkeys(self._failed, True)
            self.suspects.end()  # earlier suspects wait no longer than new ones
            self.suspects.failed(now)
        if kept:
            for name in kept:  # move it to the end of the line
                self._failed.pop(name, None)
            self._failed.update(dict.fromkeys(kept, True))
            self.suspects.failed(now)
