"""Sessions of the installed release of Mem0, each in a process of its own, against receivers on this machine."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from processes import posthog_environ, run_program

from mem0_telemetry.cli.demo.platform_stub import PlatformStub
from opentelemetry.exporter.posthog.testing import CaptureServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.exporter.posthog.testing import CapturedRequest

_SESSION = Path(__file__).with_name("session.py")
ZERO_CODE = "zero-code"
"""The application never hears of us; `opentelemetry-instrument` starts it."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a session reported, and what arrived."""

    report: dict[str, Any]
    events: list[dict[str, Any]]
    requests: list[CapturedRequest]

    def properties(self, event: str) -> list[dict[str, Any]]:
        """The properties of each event of that name, as PostHog received them."""
        return [found["properties"] for found in self.events if found["event"] == event]


class RunSession(Protocol):
    """Runs one session in a new home."""

    def __call__(self, *arguments: str, **environ: str) -> Outcome:
        """Give it these arguments and variables."""


@pytest.fixture(scope="session")
def generation() -> int:
    """1 or 2: the first number of the installed release of Mem0."""
    return int(version("mem0ai").partition(".")[0])


@pytest.fixture(scope="session")
def platform() -> Iterator[PlatformStub]:
    """Mem0's hosted API, on this machine."""
    with PlatformStub() as stub:
        yield stub


@pytest.fixture(scope="session")
def run_session(platform: PlatformStub, tmp_path_factory: pytest.TempPathFactory) -> RunSession:
    """Runs sessions whose destinations are PostHog and an OTLP backend, both on this machine."""

    def run(*arguments: str, **environ: str) -> Outcome:
        home = tmp_path_factory.mktemp("home")
        with CaptureServer() as server:
            both = {"MEM0_TELEMETRY_EXPORTER": "posthog,otlp", "MEM0_TELEMETRY_OTLP_ENDPOINT": server.url}
            result = run_program(
                [*_launcher(arguments), sys.executable, _SESSION, home / "data", platform.url, *arguments],
                posthog_environ(home, server.url, MEM0_DIR=str(home / ".mem0"), **{**both, **environ}),
                timeout=180,
                uses_mem0=True,
            )
            assert result.returncode == 0, result.stderr
            report = json.loads(result.stdout.splitlines()[-1])
            return Outcome(report=report, events=server.events, requests=server.requests)

    return run


def _launcher(arguments: tuple[str, ...]) -> list[str | Path]:
    if ZERO_CODE not in arguments:
        return []
    none = (f"--{signal}_exporter=none" for signal in ("traces", "metrics", "logs"))
    return [Path(sys.executable).with_name("opentelemetry-instrument"), *none]


@pytest.fixture(scope="session", params=["before", "after", ZERO_CODE])
def switched_on(request: pytest.FixtureRequest, run_session: RunSession) -> Outcome:
    """A whole session with everything on and a graph store configured."""
    return run_session("--instrument", request.param, "--graph")
