# SPDX-License-Identifier: Apache-2.0
"""The two clocks: the wall clock for times that people read, the monotonic clock for every wait and deadline.

`monotonic()` returns seconds since an unspecified point of this boot, and never goes back. `wall()` returns seconds
since the epoch, like the times of files.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Protocol


class Clock(Protocol):
    """A source of the time; thread-safe. A test may pass its own."""

    def time_ns(self) -> int:
        """Return nanoseconds since the epoch, UTC. May jump in either direction."""

    def monotonic(self) -> float:
        """Return seconds since an unspecified point of this boot. Never goes back."""


# An application's tests may use tools that freeze time. These replace `time.monotonic` and `time.perf_counter`, even
# the names that a module has imported, so a deadline would never pass. They do not replace `clock_gettime`, nor a
# function inside a partial.
if hasattr(time, "clock_gettime"):
    monotonic = partial(time.clock_gettime, time.CLOCK_MONOTONIC)
    wall = partial(time.clock_gettime, time.CLOCK_REALTIME)
else:
    monotonic, wall = partial(time.perf_counter), partial(time.time)


class SystemClock:
    """The clocks of the machine."""

    __slots__ = ()
    time_ns = staticmethod(time.time_ns)
    monotonic = staticmethod(monotonic)
