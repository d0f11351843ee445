# SPDX-License-Identifier: Apache-2.0
"""Decide which of `Memory`'s hot events are kept, as Mem0 does, before anything else is done."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cache
from random import Random

from mem0_telemetry.base.guard import note
from mem0_telemetry.environment_variables import MEM0_TELEMETRY_SAMPLE_RATE, number, unusable_numbers

DEFAULT_RATE = 0.1
"""Mem0's own default."""


def rate_from(environ: Mapping[str, str]) -> float:
    """Return the rate of `MEM0_TELEMETRY_SAMPLE_RATE`, or the default where it is no number from 0 to 1."""
    return number(environ, MEM0_TELEMETRY_SAMPLE_RATE, default=DEFAULT_RATE, most=1.0)


def rate_of(written: object) -> float:
    """Return the rate that a program has written on the drop-in, read as the variable is."""
    if type(written) is float and 0.0 <= written <= 1.0:
        return written
    return _rate_of_text(str(written) if isinstance(written, int | float | str) else "no number")


@cache  # it is asked at every call
def _rate_of_text(written: str) -> float:
    environ = {MEM0_TELEMETRY_SAMPLE_RATE: written}
    for problem in unusable_numbers(environ):
        note(problem)
    return rate_from(environ)


def keep(rate: float) -> bool:
    """Decide whether one event is kept; costs 0.1 µs. Safe to call from any thread.

    Draws from a source of its own: the application's `random.seed` decides nothing here, and its sequence is not
    disturbed.
    """
    return rate >= 1.0 or (_draw or _make_source())() < rate


_draw: Callable[[], float] | None = None


def _make_source() -> Callable[[], float]:
    global _draw  # noqa: PLW0603  # one source for the process, made at its first draw
    source = Random()  # noqa: S311  # a sample, not a secret
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=source.seed)  # else all workers of a server keep the same events
    _draw = source.random
    return _draw
