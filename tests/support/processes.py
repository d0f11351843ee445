"""Run Python code in a separate process, with its own home and without the settings of this process."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support import warm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NO_EXPORTERS = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")}
"""Settings that make `opentelemetry-instrument` export none of the application's own signals."""

_TESTS = Path(__file__).parents[1]
_USES_MEM0 = re.compile(r"^\s*(import|from) mem0\b|\bimport_mem0\b", re.MULTILINE)
_FOREIGN = ("MEM0_", "OTEL_", "PYTEST_", "POSTHOG_", "DO_NOT_TRACK", "CI", "GITHUB_", "COV_CORE")


def clean_environ(home: Path, **settings: str) -> dict[str, str]:
    """Return the environment of a user with the home directory `home` and these `settings`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return {**inherited, "HOME": str(home), "PYTHONPATH": str(_TESTS), **settings}


def posthog_environ(home: Path, url: str, **settings: str) -> dict[str, str]:
    """Return `clean_environ` with the server at `url` instead of PostHog, and without sampling."""
    return clean_environ(
        home,
        MEM0_TELEMETRY_POSTHOG_API_KEY="phc_test",
        MEM0_TELEMETRY_POSTHOG_HOST=url,
        MEM0_TELEMETRY_SAMPLE_RATE="1",
        **settings,
    )


def run_program(  # noqa: PLR0913  # All are keywords.
    command: Sequence[str | Path],
    environ: Mapping[str, str],
    *,
    cwd: Path | None = None,
    timeout: float = 180,
    given: str | None = None,
    uses_mem0: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run `command` until it ends, in its home unless `cwd` is given; the caller checks the result.

    It reads `given` from its standard input. A Python program that `uses_mem0` runs in a process that has already
    imported Mem0's libraries, which saves a second of CPU.
    """
    directory = cwd or environ["HOME"]
    if uses_mem0 and given is None and warm.can_run(command, environ):
        return warm.run(command, environ, cwd=directory, timeout=timeout)
    return subprocess.run(
        command,
        env=dict(environ),
        cwd=directory,
        capture_output=True,
        text=True,
        input=given,
        timeout=timeout,
        check=False,
    )


def run_python(  # noqa: PLR0913  # All are keywords.
    code: str,
    environ: Mapping[str, str],
    *,
    timeout: float = 180,
    python: str = sys.executable,
    listening: bool = True,
    new_interpreter: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run `code`, which cannot reach any other machine; the caller checks the result.

    With `listening`, the test fails if anything but Mem0 logs above DEBUG, or if our threads use a logger that is not
    our own. With `new_interpreter`, none of Mem0's libraries is imported before.
    """
    watched = (
        "from support import loopback_only, listening\n"
        if listening
        else "from support import loopback_only\n"
    )
    program = watched + textwrap.dedent(code)
    uses_mem0 = not new_interpreter and _USES_MEM0.search(program) is not None
    result = run_program([python, "-c", program], environ, timeout=timeout, uses_mem0=uses_mem0)
    assert "HEARD" not in result.stderr, result.stderr
    return result


def report_of(code: str, environ: Mapping[str, str], **options: Any) -> Any:
    """Run `code`, which prints a JSON value as its last line; return that value."""
    result = run_python(code, environ, **options)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])
