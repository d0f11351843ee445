# SPDX-License-Identifier: Apache-2.0
"""Decide which of `Memory`'s hot events are kept, as Mem0 does, before anything else is done."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache, lru_cache
from random import Random

from mem0_telemetry.base.guard import note
from mem0_telemetry.environment_variables import MEM0_TELEMETRY_SAMPLE_RATE, number, unusable_numbers


def rate_of(written: object) -> float:
    """Return the rate that a program has written on the drop-in: a text is read as the variable is.

    A number does what it does in Mem0: 0 and less keep nothing, 1 and more keep all. Anything else keeps nothing, as
    Mem0 fails at it.
    """
    if isinstance(written, str):
        return _rate_of_text(str(written))
    if not isinstance(written, int | float):
        return 0.0
    return 1.0 if written >= 1 else float(written) if written > 0 else 0.0


@lru_cache(16)  # it is asked at every call
def _rate_of_text(written: str) -> float:
    environ = {MEM0_TELEMETRY_SAMPLE_RATE: written}
    for problem in unusable_numbers(environ):
        note(problem)
    return number(environ, MEM0_TELEMETRY_SAMPLE_RATE)


def keep(rate: float) -> bool:
    """Decide whether one event is kept; costs 0.1 µs. Safe to call from any thread.

    Draws from a source of its own: the application's `random.seed` decides nothing here, and its sequence is not
    disturbed.
    """
    return rate >= 1.0 or source()() < rate


@cache
def source() -> Callable[[], float]:
    """Return what `keep` draws from. To be called before the first event, which registers nothing."""
    random = Random()  # noqa: S311  # a sample, not a secret
    if hasattr(os, "register_at_fork"):  # else all workers of a server keep the same events
        os.register_at_fork(after_in_child=random.seed)
    return random.random
