"""Every way to switch usage telemetry off."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import mem0_telemetry

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to switch usage telemetry off."""

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


def switch_off(switch: str) -> None:
    """Switch telemetry off in this process, in one of the ways that a program has."""
    if switch == "environ":
        os.environ["MEM0_TELEMETRY"] = "False"
    elif switch == "flag":
        from mem0_telemetry import telemetry  # noqa: PLC0415

        telemetry.MEM0_TELEMETRY = False
    else:
        mem0_telemetry.set_enabled(False)
