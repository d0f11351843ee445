# SPDX-License-Identifier: Apache-2.0
"""`mem0-telemetry verify`: prove on the user's own machine that off is off, and that only what is declared is sent.

Real Mem0 (or, without mem0ai, the drop-in alone) runs in processes of its own under Python's audit hooks, with
planted texts wherever a user's could be, and with fake servers on this machine. Nothing leaves it.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from mem0_telemetry.base.clock import monotonic
from mem0_telemetry.cli.console import heading, progress, prose, styled
from mem0_telemetry.cli.harness.stage import ChildError, open_stage
from mem0_telemetry.cli.harness.ways import WAYS
from mem0_telemetry.cli.verify import _on
from mem0_telemetry.cli.verify._on import Check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mem0_telemetry.cli.harness.stage import Program, Stage

__all__ = ["run"]

_BREACHES_SHOWN = 10
_TIME = 55.0
"""Seconds after which the programs are ended, and not all is checked; the promise is to end within 60."""


def run() -> int:
    """Verify and print the verdict.

    Returns:
        0 if everything was checked and kept, 1 if something was seen that breaks a promise, 2 if something could
        not be checked.
    """
    begun = monotonic()
    try:
        subject = f"Mem0 {version('mem0ai')}"
    except PackageNotFoundError:
        subject = "The drop-in (mem0ai is not installed)"
    prose(
        f"{subject} is used in temporary homes, with planted texts wherever yours could be, and with fake servers. "
        "Nothing leaves this machine."
    )
    with open_stage(_TIME, progress) as stage:
        checks = list(_verify(stage))
    failed = sum(bool(check.breaches) for check in checks)
    unchecked = sum(bool(check.unchecked and not check.breaches) for check in checks)
    passed = len(checks) - failed - unchecked
    counts = f"{passed} of {len(checks)} checks passed in {monotonic() - begun:.0f} s"
    print()
    if failed:
        prose(styled(f"NOT AS PROMISED: {counts}.", "red"))
        return 1
    if unchecked:
        prose(styled(f"NOT ALL COULD BE CHECKED: {counts}.", "yellow"))
        prose("Nothing was seen that breaks a promise. If this machine is busy, try again later.")
        return 2
    prose(styled(f"As promised: {counts}.", "green"))
    return 0


def _verify(stage: Stage) -> Iterator[Check]:
    """Run everything, and yield each check after it is printed."""
    on = _on.program(stage)
    off = [stage.program(way) for way in WAYS]
    stage.run([on, *off])  # The longest begins first.
    heading("Switched off")
    switched_off = [_off(program) for program in off]
    requests = len(stage.unused.requests)
    switched_off.append(
        Check(
            promise="no request arrives where PostHog would be",
            breaches=(f"{requests} requests arrived",) if requests else (),
            observed="none",
            unchecked="not all programs have ended" if any(each.unchecked for each in switched_off) else "",
        )
    )
    for check in switched_off:
        yield _shown(check)
    heading("Switched on")
    try:
        for check in _on.checks(on, stage):
            yield _shown(check)
    except ChildError as error:
        yield _shown(Check(promise="only what is declared is sent", unchecked=str(error)))


def _off(program: Program) -> Check:
    """Return what a program that was switched off did all the same."""
    promise = program.way.shown if program.way else ""
    try:
        return Check(
            promise=promise,
            breaches=program.done(),
            observed="no connection, look-up, thread, process, file, hook or import of ours",
        )
    except ChildError as error:
        return Check(promise=promise, unchecked=str(error))


def _shown(check: Check) -> Check:
    breaches = list(check.breaches)
    if breaches:
        mark = styled("BREACH", "red")
    else:
        mark = styled("could not be checked", "yellow") if check.unchecked else styled("ok", "green")
    print(f"  {mark}  {check.promise}")
    for breach in breaches[:_BREACHES_SHOWN]:
        print(f"        {breach[:200]}")
    if len(breaches) > _BREACHES_SHOWN:
        print(f"        and {len(breaches) - _BREACHES_SHOWN} more")
    if not breaches:
        print(f"      {styled(check.unchecked or check.observed, 'dim')}")
    return check
