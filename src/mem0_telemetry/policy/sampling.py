# SPDX-License-Identifier: Apache-2.0
"""Decide which hot events of `Memory` are kept, as Mem0 does, before anything is read."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache, lru_cache
from random import Random

from mem0_telemetry.base.guard import note
from mem0_telemetry.environment_variables import MEM0_TELEMETRY_SAMPLE_RATE, number, unusable_numbers


def rate_of(written: object) -> float:
    """Return the rate for a value that a program assigned in the drop-in. A string is read like the variable.

    An `int` or `float` works as in Mem0: up to 0 keeps nothing, from 1 on keeps all. Any other value is 0.
    """
    if isinstance(written, str):
        return _rate_of_text(str(written))
    if not isinstance(written, int | float):
        return 0.0
    return 1.0 if written >= 1 else float(written) if written > 0 else 0.0


@lru_cache(16)  # it is called for every event
def _rate_of_text(written: str) -> float:
    environ = {MEM0_TELEMETRY_SAMPLE_RATE: written}
    for problem in unusable_numbers(environ):
        note(problem)
    return number(environ, MEM0_TELEMETRY_SAMPLE_RATE)


def keep(rate: float) -> bool:
    """Decide whether one event is kept, independently of the application's `random`. Costs 0.1 µs; thread-safe."""
    return source()() < rate


@cache
def source() -> Callable[[], float]:
    """Return the random source of `keep`. Call it before the first event, which must not register a fork hook."""
    random = Random()  # noqa: S311  # a sample, not a secret
    if hasattr(os, "register_at_fork"):  # otherwise all workers of a server keep the same events
        os.register_at_fork(after_in_child=random.seed)
    return random.random
