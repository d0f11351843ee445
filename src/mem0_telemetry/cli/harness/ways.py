# SPDX-License-Identifier: Apache-2.0
"""Every way to switch usage telemetry off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Way(NamedTuple):
    """One way to switch usage telemetry off."""

    shown: str
    """The way as a user writes it."""
    settings: Mapping[str, str] = {}
    """Environment variables."""
    imports: str = ""
    """The import that `shown` needs, if that is code to run between `import mem0` and the first call; else empty."""
    stored: bool = False
    """Whether `mem0-telemetry disable` was run before."""


ON = Way("nothing: telemetry is on")
WAYS = (
    Way("MEM0_TELEMETRY=False", settings={"MEM0_TELEMETRY": "False"}),
    Way('os.environ["MEM0_TELEMETRY"] = "False"', imports="import os"),
    Way("telemetry.MEM0_TELEMETRY = False", imports="from mem0_telemetry import telemetry"),
    Way("mem0_telemetry.set_enabled(False)", imports="import mem0_telemetry"),
    Way("OTEL_SDK_DISABLED=true", settings={"OTEL_SDK_DISABLED": "true"}),
    Way("DO_NOT_TRACK=1", settings={"DO_NOT_TRACK": "1"}),
    Way("MEM0_TELEMETRY_EXPORTER=none", settings={"MEM0_TELEMETRY_EXPORTER": "none"}),
    Way("mem0-telemetry disable", stored=True),
)
