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

_A_FEW_WORDS: Final = 40
"""Characters that an exporter's own word for a failure may have; what is longer may say anything."""
_AT_ONCE: Final = 2
"""Failures without a pause while somebody waits: of a request with several batches, and of the oldest alone."""
_OUTAGE: Final = 3
"""Failures in a row, of different batches at fault, after which the destination seems to be down again."""


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
    result = LogRecordExportResult.FAILURE
    noted = Noted()
    with guard(f"exporting to {name}"), noted:
        result = exporter.export(records)
    if result is LogRecordExportResult.SUCCESS:
        return Answer(done=True, refusal=_said(exporter, "refusal"))
    retry_after = getattr(exporter, "retry_after", None)
    said = _said(exporter, "failure")
    return Answer(
        done=False,
        kind=noted.kind or said,
        reason=noted.text or said or "the exporter reported a failure",
        retry_after=float(retry_after) if isinstance(retry_after, (int, float)) else None,
    )


def _said(exporter: LogRecordExporter, name: str) -> str:
    said = getattr(exporter, name, "")
    return said if isinstance(said, str) and len(said) <= _A_FEW_WORDS else ""


class Noted:
    """Notes the exception that passes through it."""

    def __init__(self) -> None:
        self.kind = self.text = ""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self.kind = type(error).__name__
            self.text = f"{self.kind}: {error}"


@dataclass(slots=True)
class _Failed:
    """A batch at the end of the line."""

    at_fault: bool = False
    """True once another batch got through after this one had failed, or this one was sent and cannot be removed."""
    failures: int = 0
    """Those since then."""
    not_before: float = 0.0


class Retry:
    """Decides what is tried next, and when. Knows no clock, thread or file. For one thread.

    The oldest batch is first. One that fails goes to the end of the line, and the destination is left alone for a
    while, longer each time. Once another batch gets through, the destination is well: one of those that have failed
    before is tried after each request that gets through, and one that then fails again waits longer each time by
    itself. Where several of these fail in a row, all of them wait. Nothing is given up here.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._random = random.Random()  # noqa: S311  # not the application's, whose numbers may be seeded
        self.failures = 0
        """Failures in a row, of batches that are not known to be at fault."""
        self.not_before = 0.0
        """No attempt before this moment (monotonic seconds)."""
        self._asked_to_wait_until = 0.0
        self._at_once = 0
        self._failed: dict[str, _Failed] = {}
        """The end of the line, in its order."""
        self._first_again = False
        """It is the turn of the end of the line, which would never come with steady arrivals."""
        self._at_fault_failures = 0
        """Failures of batches at fault since the last request that got through."""
        self._at_fault_not_before = 0.0

    @property
    def in_a_row(self) -> int:
        """Return how many attempts have failed since one got through."""
        return self.failures + self._at_fault_failures

    @property
    def down(self) -> bool:
        """Return whether the destination seems to be down; a few batches at fault do not say that."""
        return self.failures > 0 or self._at_fault_failures >= _OUTAGE

    @property
    def quiet(self) -> bool:
        """Return whether it has failed so often that it is left alone for long."""
        return self.in_a_row >= self._limits.quiet_after

    def retry_now(self, now: float) -> None:
        """Try at once, as somebody waits, and the next batch at once where one fails. A `retry_after` is respected."""
        self.not_before = min(self.not_before, max(now, self._asked_to_wait_until))
        self._at_once = _AT_ONCE
        self._at_fault_not_before = min(self._at_fault_not_before, now)
        for failed in self._failed.values():
            failed.not_before = min(failed.not_before, now)

    def in_line(self, names: Sequence[str], now: float) -> list[str]:
        """Return those of `names` (oldest first) that may be tried now, in the order in which to try them."""
        waiting = set(names)
        again = [name for name in self._failed if name in waiting and self._due(name) <= now]
        fresh = [name for name in names if name not in self._failed]
        return again[:1] + fresh + again[1:] if self._first_again else fresh + again

    def may_join(self, name: str) -> bool:
        """Return whether the batch may share a request with others: only while nothing has failed."""
        return not self.failures and name not in self._failed

    def next_attempt(self, names: Sequence[str], now: float) -> float | None:
        """Return when one of these may be tried, or None where there is none."""
        moments = [self._due(name) if name in self._failed else now for name in names]
        return max(self.not_before, min(moments)) if moments else None

    def _due(self, name: str) -> float:
        failed = self._failed[name]
        return max(failed.not_before, self._at_fault_not_before) if failed.at_fault else failed.not_before

    def failed(self, names: Sequence[str], now: float, retry_after: float | None, *, more: bool) -> None:
        """Take note that an attempt failed; one with several batches tells nothing about any of them.

        Args:
            names: what was tried together.
            now: monotonic seconds.
            retry_after: seconds that the destination asked for.
            more: whether others wait.
        """
        self._asked_to_wait_until = now + min(max(retry_after or 0.0, 0.0), self._limits.retry_after_max)
        self.not_before = max(self.not_before, self._asked_to_wait_until)
        if len(names) == 1:
            self._first_again = False
            failed = self._failed[names[0]] = self._failed.pop(names[0], _Failed())
            if failed.at_fault:
                self._at_fault_failures += 1
                self._put_off(failed, now)
                if self._at_fault_failures >= _OUTAGE:
                    self._at_fault_not_before = now + self._pause(self._at_fault_failures - _OUTAGE)
                return
        self.failures += 1
        if self._at_once and (more or len(names) > 1):
            self._at_once -= 1
            return
        self._at_once = 0
        if self.failures >= self._limits.quiet_after:
            delay = self._limits.quiet_interval
        else:
            delay = self._limits.backoff_initial * 2.0 ** (self.failures - 1)
        self.not_before = max(self.not_before, now + self._jittered(delay))

    def succeeded(self, names: Sequence[str], now: float) -> None:
        """Take note that an attempt got through: what has failed so far is at fault itself."""
        self._first_again = not any(name in self._failed for name in names)
        for name in names:
            self._failed.pop(name, None)
        self.failures = self._at_fault_failures = 0
        self.not_before = self._at_fault_not_before = self._asked_to_wait_until = now
        for failed in self._failed.values():
            if not failed.at_fault:
                failed.at_fault = True
                failed.not_before = now + self._pause(0)  # who waits gets what has not been tried yet first

    def still_there(self, name: str, now: float) -> None:
        """Take note that a batch got through and could not be removed: it is at fault, and not the destination."""
        failed = self._failed.setdefault(name, _Failed())
        failed.at_fault = True
        self._put_off(failed, now)

    def forget_missing(self, names: Sequence[str]) -> None:
        """Take note that only these batches are left."""
        if not names:
            self._at_once = 0
        waiting = set(names)
        self._failed = {name: failed for name, failed in self._failed.items() if name in waiting}

    def _put_off(self, failed: _Failed, now: float) -> None:
        failed.failures += 1
        failed.not_before = now + self._pause(failed.failures)

    def _pause(self, doublings: int) -> float:
        """Return how long what is at fault waits."""
        delay = self._limits.backoff_initial * 2.0 ** min(doublings, 20)
        return self._jittered(min(delay, self._limits.quiet_interval))

    def _jittered(self, delay: float) -> float:
        """Return half of it to all of it, so that processes that failed together do not come back together."""
        return delay * self._random.uniform(0.5, 1.0)
