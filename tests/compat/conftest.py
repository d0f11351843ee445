"""Sessions of the installed release of Mem0, each in a process of its own, against fake servers."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mem0_telemetry.cli.harness.stage import open_stage
from support.sessions import PROGRAM, run_session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.exporter.posthog.testing import CapturedRequest

_WITH_GRAPH = (Path(__file__).with_name("session.py"),)
_LAUNCHER = (
    Path(sys.executable).with_name("opentelemetry-instrument"),
    *(f"--{signal}_exporter=none" for signal in ("traces", "metrics", "logs")),
)


_WAYS = ["before", "after", "zero-code"]
if any(name.startswith("mem0-telemetry") for name in requires("mem0ai") or ()):  # docs/adoption.md
    _WAYS.append("adopted")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The report, the planted texts, the events, the requests and the files of a session."""

    report: dict[str, Any]
    texts: Mapping[str, str]
    events: list[dict[str, Any]]
    requests: list[CapturedRequest]
    files: list[str]

    def properties(self, event: str) -> list[dict[str, Any]]:
        """Return the properties of each event of that name, as PostHog received them."""
        return [found["properties"] for found in self.events if found["event"] == event]


@pytest.fixture(scope="session")
def generation() -> int:
    """Return the major version of the installed Mem0: 1 or 2."""
    return int(version("mem0ai").partition(".")[0])


def _outcome_of(way: str, *, graph: bool) -> Outcome:
    """Run a session with telemetry on. In the ways `zero-code` and `adopted` the application does not call us."""
    with open_stage(600) as stage:
        both = {"MEM0_TELEMETRY_EXPORTER": "posthog,otlp", "MEM0_TELEMETRY_OTLP_ENDPOINT": stage.receiver.url}
        instrument = way if way in {"before", "after"} else None
        program = stage.program(settings=both, instrument=instrument, counted=True)
        report = run_session(
            program,
            launcher=_LAUNCHER if way == "zero-code" else (),
            command=_WITH_GRAPH if graph else PROGRAM,
        )
        return Outcome(
            report=report,
            texts=stage.planted,
            events=stage.receiver.events,
            requests=stage.receiver.requests,
            files=program.files(),
        )


@pytest.fixture(scope="session")
def outcome_of() -> Callable[..., Outcome]:
    """Return the function that runs a session with telemetry on."""
    return _outcome_of


@pytest.fixture(scope="session", params=_WAYS)
def switched_on(request: pytest.FixtureRequest) -> Outcome:
    """Run a whole session with telemetry on and a graph store configured."""
    return _outcome_of(request.param, graph=True)
