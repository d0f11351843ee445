"""Off is off: nothing of ours happens in a process that is opted out, in any of the ways there are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mem0_telemetry.cli.verify._children import Check, ChildError, Program
from mem0_telemetry.policy import state_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mem0_telemetry.cli.verify._children import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to opt out."""

    shown: str
    """As a user writes it."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Variables of the environment."""
    switch: str | None = None
    """What the program does, after `import mem0` and before its first call."""
    stored: bool = False
    """Whether `mem0-telemetry disable` was run before."""


WAYS = (
    Way(shown="MEM0_TELEMETRY=False", settings={"MEM0_TELEMETRY": "False"}),
    Way(shown='os.environ["MEM0_TELEMETRY"] = "False"', switch="environ"),
    Way(shown="telemetry.MEM0_TELEMETRY = False", switch="flag"),
    Way(shown="mem0_telemetry.set_enabled(False)", switch="set_enabled"),
    Way(shown="OTEL_SDK_DISABLED=true", settings={"OTEL_SDK_DISABLED": "true"}),
    Way(shown="DO_NOT_TRACK=1", settings={"DO_NOT_TRACK": "1"}),
    Way(shown="MEM0_TELEMETRY_EXPORTER=none", settings={"MEM0_TELEMETRY_EXPORTER": "none"}),
    Way(shown="mem0-telemetry disable", stored=True),
)


def program(way: Way, number: int, stage: Stage) -> Program:
    """Answer the program that uses Mem0, opted out in one way."""
    home = stage.home(f"off-{number}")
    if way.stored:
        state_file.update(str(home / ".mem0"), lambda state: state.but(disabled=True))
    return Program(home=home, settings=way.settings, switch=way.switch)


def check(way: Way, program: Program) -> Check:
    """Answer what of ours happened all the same in a program that has run."""
    try:
        report = program.report()
    except ChildError as error:
        return Check(promise=way.shown, unchecked=str(error))
    breaches = [
        f"{kind}: {what}" for kind, what in report["seen"] if kind != "read"
    ]  # the choice has to be read
    breaches += [f"a log record: {line}" for line in report["logged"]]
    stored = {"state.json", "state.lock"} if way.stored else set()
    ours = (program.home / ".mem0" / "telemetry").glob("*")
    breaches += [f"file: {path.name}" for path in ours if path.name not in stored]
    return Check(
        promise=way.shown,
        breaches=tuple(dict.fromkeys(breaches)),
        observed="no connection, look-up, thread, process, file, hook or import of ours",
    )
