"""`mem0-telemetry verify`: proof on the user's own machine, in a temporary home, that off is off and on is little.

Real Mem0 (or, without mem0ai, the drop-in alone) runs in processes of its own under Python's audit hooks, with
texts planted wherever a user's could be and stand-ins on this machine for all servers. Nothing leaves it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from mem0_telemetry.cli.console import heading, prose, styled
from mem0_telemetry.cli.verify import _off, _on
from mem0_telemetry.cli.verify._children import Check, ChildError, Stage
from mem0_telemetry.cli.verify._secrets import Planted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import ExitStack


__all__ = ["run"]

_TIME = 55.0
"""Seconds after which what has not ended could not be checked; the promise is to end within 60."""


def run() -> int:
    """Verify and print the verdict.

    Returns:
        0 where everything was checked and kept, 1 where something was seen that breaks a promise, 2 where something
        could not be checked.
    """
    from contextlib import ExitStack  # noqa: PLC0415

    begun = monotonic()
    print(f"{_subject()} is used in a temporary home, with texts planted wherever yours")
    print("could be, and stand-ins for all servers. Nothing leaves this machine.")
    with ExitStack() as stack:
        verdicts = list(_verify(stack, begun + _TIME))
    failed = sum(bool(check.breaches) for check in verdicts)
    unchecked = sum(bool(check.unchecked and not check.breaches) for check in verdicts)
    passed = len(verdicts) - failed - unchecked
    counts = f"{passed} of {len(verdicts)} checks passed in {monotonic() - begun:.0f} s"
    print()
    if failed:
        prose(styled(f"NOT AS PROMISED: {counts}.", "red"))
        return 1
    if unchecked:
        prose(styled(f"NOT ALL COULD BE CHECKED: {counts}.", "yellow"))
        prose("Nothing was seen that breaks a promise. Where this machine is busy, try again later.")
        return 2
    prose(styled(f"As promised: {counts}.", "green"))
    return 0


def _subject() -> str:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    try:
        return f"Mem0 {version('mem0ai')}"
    except PackageNotFoundError:
        return "The drop-in (mem0ai is not installed)"


def _verify(stack: ExitStack, deadline: float) -> Iterator[Check]:
    from mem0_telemetry.cli.demo.platform_stub import PlatformStub  # noqa: PLC0415
    from opentelemetry.exporter.posthog.testing import Answer, CaptureServer  # noqa: PLC0415

    unused, receiver, refusing = (stack.enter_context(CaptureServer()) for _ in range(3))
    refusing.answer_always(Answer(status=503))
    planted = Planted()
    root = Path(stack.enter_context(tempfile.TemporaryDirectory()), planted["directory"])
    root.mkdir()
    platform = stack.enter_context(PlatformStub())
    stage = Stage(
        root=root,
        platform_url=platform.url,
        receiver_url=unused.url,
        planted=planted,
        deadline=deadline,
        progress=_count,
    )
    on = _on.program(stage, receiver, refusing)
    off = [(way, _off.program(way, number, stage)) for number, way in enumerate(_off.WAYS)]
    stage.run([on, *(program for _, program in off)])  # the longest first
    heading("Switched off")
    switched_off = [_off.check(way, program) for way, program in off]
    yield from _shown(switched_off)
    yield from _shown(
        [_nothing_arrived(len(unused.requests), any(check.unchecked for check in switched_off))]
    )
    heading("Switched on")
    try:
        yield from _shown(_on.checks(on, stage, receiver, refusing))
    except ChildError as error:
        yield from _shown([Check(promise="only what is declared is sent", unchecked=str(error))])


def _nothing_arrived(requests: int, some_unchecked: bool) -> Check:  # noqa: FBT001
    return Check(
        promise="no request arrives where PostHog would be",
        breaches=(f"{requests} requests arrived",) if requests else (),
        observed="none",
        unchecked="not all programs have ended" if some_unchecked else "",
    )


def _count(done: int, of: int) -> None:
    """Show how many of the programs have ended: in one line at a terminal."""
    last = "\r" if sys.stdout.isatty() and done < of else "\n"
    print(f"  {done} of {of} programs have ended", end=last, flush=True)


def _shown(checks: Iterable[Check]) -> Iterator[Check]:
    for check in checks:
        if check.breaches:
            mark = styled("BREACH", "red")
        else:
            mark = styled("could not be checked", "yellow") if check.unchecked else styled("ok", "green")
        print(f"  {mark}  {check.promise}")
        for breach in check.breaches[:10]:
            print(f"        {breach[:200]}")
        if len(check.breaches) > _BREACHES_SHOWN:
            print(f"        and {len(check.breaches) - _BREACHES_SHOWN} more")
        if not check.breaches:
            print(f"      {styled(check.unchecked or check.observed, 'dim')}")
        yield check


_BREACHES_SHOWN = 10
