# SPDX-License-Identifier: Apache-2.0
"""The two clocks: the wall's for what people read, the monotonic one for every wait and deadline.

`monotonic()` returns seconds since some point of this boot and never goes back; `wall()` seconds since the epoch, as
the times of files are.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Protocol


class Clock(Protocol):
    """Where the time is read. A test passes its own; thread-safe."""

    def time_ns(self) -> int:
        """Return nanoseconds since the epoch, UTC. May jump in either direction."""

    def monotonic(self) -> float:
        """Return seconds since some point of this boot. Never goes back."""


# Tools that freeze time for an application's tests replace `time.monotonic` and `time.perf_counter`, also where
# a module has imported them by name, and a deadline would never come. They do not see the system call, nor
# what is inside a partial.
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
