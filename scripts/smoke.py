"""Use both installed distributions as a new user would; `make dist` runs this in a new environment.

The script reads nothing from the repository: Python reads it from standard input, in an empty working directory.
"""

import json
import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import distribution, entry_points
from pathlib import Path

from mem0_telemetry.cli.harness.stage import inherited  # the installed one

SITE = Path(sysconfig.get_path("purelib")).resolve()
SCRIPTS = Path(sysconfig.get_path("scripts"))
EVENT = """
from mem0_telemetry import flush, telemetry
telemetry.capture_event("mem0.init", object(), {"sync_type": "sync", "planted": "secret"})
raise SystemExit(not flush(20))
"""


def installed() -> None:
    """Check that both are installed in this environment, with types, entry points and licences."""
    import mem0_telemetry
    import opentelemetry.exporter.posthog as exporter

    for module in (mem0_telemetry, exporter):
        directory = Path(str(module.__file__)).resolve().parent
        assert directory.is_relative_to(SITE), directory
        assert (directory / "py.typed").is_file(), directory
    for name in ("mem0-telemetry", "opentelemetry-exporter-posthog"):
        files = [str(file) for file in distribution(name).files or ()]
        assert any(file.endswith("LICENSE") for file in files), name
        assert not any(file.startswith(("tests", "benchmarks", "docs")) for file in files), name
    for group in ("opentelemetry_logs_exporter", "opentelemetry_traces_exporter"):
        assert entry_points(group=group, name="posthog"), group
    (instrumentor,) = entry_points(group="opentelemetry_instrumentor", name="mem0")
    assert instrumentor.load().__name__ == "Mem0Instrumentor"


def command(home: Path, *arguments: str, **settings: str) -> str:
    """Run `mem0-telemetry` in its own home; return its output."""
    environ = {**inherited(), "HOME": str(home), **settings}
    program = [str(SCRIPTS / "mem0-telemetry"), *arguments]
    return subprocess.run(
        program, env=environ, check=True, capture_output=True, text=True, timeout=120
    ).stdout


def commands(home: Path) -> None:
    """Check that the read-only commands create nothing, and that `verify` passes."""
    assert command(home, "--version").startswith("mem0-telemetry ")
    assert json.loads(command(home, "status", "--json"))["enabled"] is True
    assert json.loads(command(home, "status", "--json", DO_NOT_TRACK="1"))["source"] == "DO_NOT_TRACK"
    assert "mem0.search" in command(home, "events", "--json")
    assert not list(home.iterdir())
    assert "As promised" in command(home, "verify")


def delivery(home: Path) -> None:
    """Check that an event arrives at a fake PostHog with only its declared properties."""
    from opentelemetry.exporter.posthog.testing import CaptureServer, check_batch

    with CaptureServer() as server:
        environ = {
            **inherited(),
            "HOME": str(home),
            "MEM0_TELEMETRY_POSTHOG_API_KEY": "phc_smoke",
            "MEM0_TELEMETRY_POSTHOG_HOST": server.url,
        }
        subprocess.run([sys.executable, "-I", "-c", EVENT], env=environ, check=True, timeout=60)
        (event,) = server.events
        check_batch(server.requests[0].body)
    assert event["event"] == "mem0.init"
    assert event["properties"]["sync_type"] == "sync"
    assert "secret" not in str(event)


if __name__ == "__main__":
    installed()
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        commands(Path(first))
        delivery(Path(second))
    print(
        f"smoke passed on Python {sys.version.split()[0]}: "
        + ", ".join(
            f"{name} {distribution(name).version}"
            for name in ("mem0-telemetry", "opentelemetry-exporter-posthog")
        )
    )
