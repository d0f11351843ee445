"""Which of `Memory`'s hot events are kept, as Mem0 decides it; decided before anything else is done."""

from __future__ import annotations

from mem0_telemetry.environment_variables import MEM0_TELEMETRY_SAMPLE_RATE, number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DEFAULT_RATE = 0.1
"""Mem0's own default."""

_draw: Callable[[], float] | None = None


def rate_from(environ: Mapping[str, str]) -> float:
    """Answer the rate of `MEM0_TELEMETRY_SAMPLE_RATE`, or the default where it is no number from 0 to 1."""
    return number(environ, MEM0_TELEMETRY_SAMPLE_RATE, default=DEFAULT_RATE, most=1.0)


def keep(rate: float) -> bool:
    """Decide whether one event is kept; costs 0.1 µs after `prepare`. Safe to call from any thread.

    Draws from a source of its own: the application's `random.seed` decides nothing here, and its sequence is
    not disturbed.
    """
    if rate >= 1.0:
        return True
    return (_draw or prepare())() < rate


def prepare() -> Callable[[], float]:
    """Make the source that `keep` draws from: it needs an import, which a call must not. Idempotent."""
    global _draw  # noqa: PLW0603  # one source for the process
    if _draw is not None:
        return _draw
    import os  # noqa: PLC0415
    from random import Random  # noqa: PLC0415  # 5 ms, and not needed where telemetry is off

    source = Random()  # noqa: S311  # a sample, not a secret
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=source.seed)  # else all workers of a server keep the same events
    _draw = source.random
    return _draw
