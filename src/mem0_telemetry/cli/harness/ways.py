# SPDX-License-Identifier: Apache-2.0
"""Every way to switch usage telemetry off."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

import mem0_telemetry


class Way(NamedTuple):
    """One way to switch usage telemetry off."""

    shown: str
    """As a user writes it."""
    settings: Mapping[str, str] = {}
    """Variables of the environment."""
    switch: str = ""
    """What the program does, after `import mem0` and before its first call."""
    stored: bool = False
    """Whether `mem0-telemetry disable` was run before."""


WAYS = (
    Way("MEM0_TELEMETRY=False", settings={"MEM0_TELEMETRY": "False"}),
    Way('os.environ["MEM0_TELEMETRY"] = "False"', switch="environ"),
    Way("telemetry.MEM0_TELEMETRY = False", switch="flag"),
    Way("mem0_telemetry.set_enabled(False)", switch="set_enabled"),
    Way("OTEL_SDK_DISABLED=true", settings={"OTEL_SDK_DISABLED": "true"}),
    Way("DO_NOT_TRACK=1", settings={"DO_NOT_TRACK": "1"}),
    Way("MEM0_TELEMETRY_EXPORTER=none", settings={"MEM0_TELEMETRY_EXPORTER": "none"}),
    Way("mem0-telemetry disable", stored=True),
)


def switch_off(switch: str) -> None:
    """Switch telemetry off in this process, in one of the ways that a program has."""
    if switch == "environ":
        os.environ["MEM0_TELEMETRY"] = "False"
    elif switch == "flag":
        from mem0_telemetry import telemetry  # noqa: PLC0415  # Executing it decides whether telemetry is on.

        telemetry.MEM0_TELEMETRY = False
    else:
        mem0_telemetry.set_enabled(False)
