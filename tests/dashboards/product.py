"""Run installations of the real product, each in a separate process and home, and collect what PostHog received."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mem0_telemetry.cli.harness.fake_servers import FakePlatform
from opentelemetry.exporter.posthog.testing import Answer, CaptureServer
from support.commands import output
from support.processes import posthog_environ, run_program

if TYPE_CHECKING:
    from collections.abc import Mapping

ALICE = {"user_id": "alice"}
PLAIN = {"filters": ALICE}
SCOPED = {"filters": {**ALICE, "agent_id": "a"}, "explain": True, "top_k": 7}
FILTERED = {"filters": {**ALICE, "run_id": "r", "score": {"gt": 3}}, "top_k": 100}

Calls = tuple[tuple[str, int, dict[str, Any]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """An installation: it builds a memory, adds to it, and makes its calls."""

    name: str
    days_ago: int
    """When the installation was active, by the proof's clock."""
    rate: float = 1.0
    cls: str = "Memory"
    adds: int = 1
    calls: Calls = ()
    """The name of each call, how often it is made, and with which arguments."""
    delay: int = 2
    """Seconds until its events arrived."""
    native: bool = False
    """Whether Mem0's own telemetry sends the events."""
    lost_answer: bool = False
    """Whether PostHog's first answer is lost, so that a batch is sent again."""
    unreadable: bool = False
    """Whether Mem0's configuration cannot be read, so that no id is stored."""
    resets: str | None = None
    """The installation whose home it uses, after a reset of the id there."""
    unknown: int = 0
    """How many events it records that the registry does not declare."""
    settings: Mapping[str, str] = field(default_factory=dict)


INSTALLATIONS = (
    Installation(
        name="sync",
        days_ago=1,
        lost_answer=True,
        adds=13,
        calls=(
            ("search", 30, PLAIN),
            ("search", 6, SCOPED),
            ("search", 4, FILTERED),
            ("get", 20, {}),
        ),
    ),
    Installation(
        name="half",
        days_ago=2,
        rate=0.5,
        cls="AsyncMemory",
        delay=26 * 3600,
        adds=41,
        calls=(("search", 200, PLAIN), ("search", 100, SCOPED), ("get", 200, {})),
    ),
    Installation(
        name="tenth",
        days_ago=3,
        rate=0.1,
        unknown=3,
        adds=101,
        calls=(
            ("search", 600, PLAIN),
            ("search", 300, FILTERED),
            ("get", 1000, {}),
            ("history", 300, {}),
        ),
    ),
    Installation(
        name="tenth, async", days_ago=5, rate=0.1, cls="AsyncMemory", calls=(("search", 500, SCOPED),)
    ),
    Installation(name="build service", days_ago=1, settings={"CI": "true"}, calls=(("search", 3, PLAIN),)),
    Installation(name="not stored", days_ago=1, unreadable=True),
    Installation(name="before", days_ago=9),
    Installation(name="after", days_ago=2, resets="before"),
    Installation(name="hosted", days_ago=4, cls="MemoryClient"),
    Installation(name="native", days_ago=8, native=True, calls=(("search", 5, {**PLAIN, "top_k": 7}),)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What PostHog received from an installation."""

    installation: Installation
    events: list[dict[str, Any]]
    repeats: int
    """How many of the events arrived twice."""


def run_all(directory: Path) -> list[Received]:
    """Run every installation, one after the other."""
    return [_run(installation, directory) for installation in INSTALLATIONS]


def _run(installation: Installation, directory: Path) -> Received:
    home = directory / (installation.resets or installation.name)
    home.mkdir(exist_ok=installation.resets is not None)
    if installation.resets:
        output(home, "reset-id")
    if installation.unreadable:
        (home / ".mem0" / "config.json").mkdir(parents=True)
    with CaptureServer() as server, FakePlatform() as platform:
        if installation.lost_answer:
            server.answer(Answer(drop=True))
        settings = {"MEM0_TELEMETRY_SAMPLE_RATE": str(installation.rate), **installation.settings}
        environ = {**posthog_environ(home, server.url), **settings}
        wanted = {
            "native": installation.native,
            "cls": installation.cls,
            "adds": installation.adds,
            "calls": installation.calls,
            "unknown": installation.unknown,
            "seed": INSTALLATIONS.index(installation),
            "url": server.url,
            "platform": platform.url,
        }
        program = Path(__file__).with_name("session.py")
        result = run_program([sys.executable, program, json.dumps(wanted)], environ, uses_mem0=True)
        assert result.returncode == 0, result.stderr
        requests = [request.events for request in server.requests if request.events]
    repeats = len(requests[0]) if installation.lost_answer else 0
    return Received(
        installation=installation, events=[event for batch in requests for event in batch], repeats=repeats
    )
