# SPDX-License-Identifier: Apache-2.0
"""One attempt with an exporter, maybe of a third party; and when to make the next one, and with which batch."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk._logs.export import LogRecordExportResult

from mem0_telemetry.base.guard import guard

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk._logs.export import LogRecordExporter

    from mem0_telemetry.delivery._config import Limits

_MAX_REASON_LENGTH: Final = 40
"""Characters that an exporter's own word for a failure may have; what is longer may say anything."""
_IMMEDIATE_RETRIES: Final = 2
"""Failures without a pause while somebody waits: of a request with several batches, and of the oldest alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of an attempt."""

    done: bool
    """False: to be tried again."""
    kind: str = ""
    """What kind of failure it was, in a few words: what the exporter calls it, or the class of what it raised. No more
    than that is kept on disk."""
    reason: str = ""
    """The same, with the exception's text where there is one; empty where it is done."""
    retry_after: float | None = None
    """Seconds that the destination asked for."""
    refusal: str = ""
    """Why the destination will never take the batch, or part of it; empty where nothing was refused."""


def attempt(exporter: LogRecordExporter, records: Sequence[ReadableLogRecord], *, name: str) -> Answer:
    """Hand `records` to the exporter of the destination `name`. An exception that it raises is a failure."""
    done = False
    raised = ErrorRecorder()
    with guard(f"exporting to {name}"), raised:
        result: object = exporter.export(records)
        # By its name: `LogExportResult`, as it was called before, is another class, and a module may be imported anew.
        # Who answers nothing has raised nothing: the SDK's own processors, which never look, would go on too.
        done = result is None or getattr(result, "name", "") == LogRecordExportResult.SUCCESS.name
    if done:
        return Answer(done=True, refusal=_short_text(exporter, "refusal"))
    retry_after = getattr(exporter, "retry_after", None)
    failure = _short_text(exporter, "failure")
    return Answer(
        done=False,
        kind=raised.kind or failure,
        reason=raised.text or failure or "the exporter reported a failure",
        retry_after=float(retry_after) if isinstance(retry_after, (int, float)) else None,
    )


def _short_text(exporter: LogRecordExporter, name: str) -> str:
    text = getattr(exporter, name, "")
    return text if isinstance(text, str) and len(text) <= _MAX_REASON_LENGTH else ""


class ErrorRecorder:
    """Notes the exception that passes through it."""

    kind = text = ""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self.kind = type(error).__name__
            self.text = f"{self.kind}: {error}"


class Backoff:
    """A pause after each failure in a row, which doubles, and is long once there were many."""

    def __init__(self, limits: Limits) -> None:
        self.failures = 0
        self.until = 0.0
        self._limits = limits
        self._random = random.Random()  # noqa: S311  # not the application's, whose numbers may be seeded

    def failed(self, now: float) -> None:
        """Begin a pause after one more failure."""
        self.failures += 1
        if self.failures >= self._limits.quiet_after:
            delay = self._limits.quiet_interval
        else:
            delay = self._limits.backoff_initial * 2.0 ** (self.failures - 1)
        # Half of it to all of it, so that processes that failed together do not come back together.
        self.until = now + delay * self._random.uniform(0.5, 1.0)

    def end(self) -> None:
        """Forget the failures, and end the pause."""
        self.failures, self.until = 0, 0.0


class Retry:
    """Decides what is tried next, and when. Knows no clock, thread or file. For one thread.

    The oldest batch is first. One that fails goes to the end of the line, and the destination is left alone for a
    while, longer each time. Once another batch gets through, the destination is well, and those that failed before are
    suspects. They are tried one by one; while they fail, all suspects wait, longer each time, and nothing else does.
    Nothing is given up here.
    """

    def __init__(self, limits: Limits) -> None:
        self.in_a_row = 0
        """How many attempts have failed since one got through."""
        self.destination, self.suspects = Backoff(limits), Backoff(limits)
        self._limits = limits
        self._asked_to_wait_until = 0.0
        self._immediate_retries = 0
        self._failed: dict[str, bool] = {}
        """The end of the line, in its order; True for a suspect."""

    @property
    def not_before(self) -> float:
        """Return the moment (monotonic seconds) before which nothing is tried."""
        return max(self.destination.until, self._asked_to_wait_until)

    @property
    def down(self) -> bool:
        """Return whether the destination seems to be down; a few suspects do not say that."""
        return self.destination.failures > 0 or self.quiet

    @property
    def quiet(self) -> bool:
        """Return whether it has failed so often that it is left alone for long."""
        return self.in_a_row >= self._limits.quiet_after

    def retry_now(self) -> None:
        """Try at once, as somebody waits, and the next batch at once where one fails. A `retry_after` is respected."""
        self.destination.until = self.suspects.until = 0.0
        self._immediate_retries = _IMMEDIATE_RETRIES

    def in_line(self, names: Sequence[str], now: float) -> list[str]:
        """Return those of `names`, which are all that wait, oldest first, that may be tried now, in that order."""
        waiting = set(names)
        self._failed = {name: suspect for name, suspect in self._failed.items() if name in waiting}
        if not names:
            self._immediate_retries = 0
        line = [name for name in names if name not in self._failed]
        line += [name for name, suspect in self._failed.items() if not suspect]
        if now < self.suspects.until:
            return line
        suspects = [name for name, suspect in self._failed.items() if suspect]
        # Ahead of the others, as they would never have their turn with steady arrivals.
        return line + suspects if self.destination.failures else suspects + line

    def may_join(self, name: str) -> bool:
        """Return whether the batch may share a request with others: only while nothing has failed."""
        return not self.destination.failures and name not in self._failed

    def failed(self, names: Sequence[str], now: float, retry_after: float | None, *, more: bool) -> None:
        """Take note that an attempt failed; one with several batches tells nothing about any of them.

        Args:
            names: what was tried together.
            now: monotonic seconds.
            retry_after: seconds that the destination asked for.
            more: whether others wait.
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
        """Take note that an attempt got through: what failed before is at fault itself.

        Args:
            names: what was sent together.
            kept: those of them that cannot be removed: they are sent again, but not at once.
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
            self.suspects.end()  # those of before wait no longer than the new ones
            self.suspects.failed(now)
        if kept:
            for name in kept:  # to the end of the line
                self._failed.pop(name, None)
            self._failed.update(dict.fromkeys(kept, True))
            self.suspects.failed(now)
