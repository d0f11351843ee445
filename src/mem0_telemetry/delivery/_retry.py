"""When to try a destination again, and with which batch. Knows no clock, thread or file."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mem0_telemetry.delivery._facts import Limits


@dataclass(slots=True)
class _Blame:
    """A batch that failed while others got through."""

    failures: int = 0
    """Those that count: another got through after each."""
    put_off: int = 0
    """Times that it was told to wait, each time longer."""
    not_before: float = 0.0


class Retry:
    """Oldest batch first; back off while it fails; find out whether it is the batch or the destination.

    After each third failure in a row of one batch the next one is tried once. If that one gets through, the
    destination is well and the failures are the batch's own: it is tried seldom from then on, and in the end
    it is given up. While none gets through it is an outage, and nothing is given up. For one thread.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._random = random.Random()  # noqa: S311  # not the application's, whose numbers may be seeded
        self.failures = 0
        """Failures in a row, of batches that are not known to be at fault."""
        self.not_before = 0.0
        """No attempt before this moment (monotonic seconds)."""
        self._asked_to_wait_until = 0.0
        self._in_doubt: dict[str, int] = {}
        """Failures of a batch since the last sign of an outage; its own if another gets through next."""
        self._blamed: dict[str, _Blame] = {}
        self._since_probe = 0
        self._probe = ""
        self._tried_in_hurry: set[str] | None = None

    @property
    def quiet(self) -> bool:
        """Whether it has failed so often that it is left alone for long."""
        return self.failures >= self._limits.quiet_after

    def hurry(self, now: float) -> None:
        """Somebody waits: try at once, whatever the back-off, and the next batch where the oldest fails.

        A `retry_after` is still respected.
        """
        self.not_before = min(self.not_before, max(now, self._asked_to_wait_until))
        self._tried_in_hurry = set()
        for blame in self._blamed.values():
            blame.not_before = min(blame.not_before, now)

    def choose(self, names: Sequence[str], now: float) -> list[str]:
        """Those of `names` (oldest first) that may be tried now, in the order in which to try them."""
        ready = [name for name in names if name not in self._blamed or self._blamed[name].not_before <= now]
        if self.failures or self._tried_in_hurry is not None:
            ready.sort(key=self._blamed.__contains__)  # stable: those that will hardly get through come last
        if ready and self._is_probe_due(ready[0]):
            others = [name for name in ready[1:] if name not in self._blamed and name not in self._in_doubt]
            if others:
                # Not the same one each time: it may be at fault too.
                self._probe = next((name for name in others if name > self._probe), others[0])
                self._since_probe = 0
                ready.remove(self._probe)
                ready.insert(0, self._probe)
        return ready

    def may_join(self, name: str) -> bool:
        """Whether the batch may share a request with others: only while nothing is in doubt."""
        return not self.failures and name not in self._blamed

    def next_attempt(self, names: Iterable[str], now: float) -> float | None:
        """When one of these may be tried, or None where there is none."""
        moments = [self._blamed[name].not_before if name in self._blamed else now for name in names]
        return max(self.not_before, min(moments)) if moments else None

    def failed(self, names: Sequence[str], now: float, retry_after: float | None, *, more: bool) -> None:
        """An attempt with these batches failed; one that carried several tells nothing about any of them.

        Args:
            names: what was tried together.
            now: monotonic seconds.
            retry_after: seconds that the destination asked for.
            more: whether others are ready to be tried.
        """
        self._asked_to_wait_until = now + min(max(retry_after or 0.0, 0.0), self._limits.retry_after_max)
        self.not_before = max(self.not_before, self._asked_to_wait_until)
        if len(names) == 1 and names[0] in self._blamed:
            self._in_doubt[names[0]] = 1
            self._put_off(names[0], now)
            return
        self.failures += 1
        tried, alone = self._tried_in_hurry, len(names) == 1
        is_probe = names[0] == self._probe
        self._since_probe += not is_probe
        if is_probe or not alone:
            self._in_doubt.clear()  # the destination may be at fault: what failed so far says nothing
        else:
            self._in_doubt = {name: n for name, n in self._in_doubt.items() if name not in self._blamed}
            self._in_doubt[names[0]] = self._in_doubt.get(names[0], 0) + 1
        if tried is not None and not is_probe and (not alone or (more and names[0] not in tried)):
            tried.update(names if alone else ())
            return  # one by one, or the next one: at once
        self._tried_in_hurry = None
        if self.quiet:
            delay = self._limits.quiet_interval
        else:
            delay = self._limits.backoff_initial * 2.0 ** (self.failures - 1)
        self.not_before = max(self.not_before, now + self._jittered(delay))

    def _is_probe_due(self, oldest: str) -> bool:
        if self._tried_in_hurry is not None and oldest in self._tried_in_hurry:
            return True
        return self._since_probe >= self._limits.probe_after

    def succeeded(self, names: Iterable[str], now: float) -> list[str]:
        """An attempt with these got through. Returns those of the others that are given up now."""
        for name in names:
            self._in_doubt.pop(name, None)
            self._blamed.pop(name, None)
        self.failures = 0
        self._since_probe = 0
        self._probe = ""
        self.not_before = self._asked_to_wait_until = now
        for name, failures in self._in_doubt.items():
            self._blamed.setdefault(name, _Blame()).failures += failures
            self._put_off(name, now)
        self._in_doubt.clear()
        given_up = [
            name for name, blame in self._blamed.items() if blame.failures >= self._limits.condemn_after
        ]
        for name in given_up:
            del self._blamed[name]
        return given_up

    def forget_missing(self, names: Iterable[str]) -> None:
        """Only these batches are left."""
        left = set(names)
        if not left:
            self._tried_in_hurry = None
        self._blamed = {name: blame for name, blame in self._blamed.items() if name in left}
        self._in_doubt = {name: failures for name, failures in self._in_doubt.items() if name in left}

    def _put_off(self, name: str, now: float) -> None:
        blame = self._blamed[name]
        blame.put_off += 1
        delay = self._limits.backoff_initial * 2.0 ** min(blame.put_off, 20)
        blame.not_before = now + self._jittered(min(delay, self._limits.quiet_interval))

    def _jittered(self, delay: float) -> float:
        """Half of it to all of it, so that processes that failed together do not come back together."""
        return delay * self._random.uniform(0.5, 1.0)
