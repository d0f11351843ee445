"""`demo` as its user sees it at a terminal, and the environment that `make demo` creates for it."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mem0_telemetry.cli.harness.ways import WAYS
from opentelemetry.exporter.posthog.testing import CaptureServer
from support.processes import clean_environ
from support.terminals import what_is_seen


@pytest.mark.timeout(600)
def test_the_result_comes_first_and_fits_a_terminal(tmp_path: Path) -> None:
    """The output counts the programs, then shows events, then "off", then JSON, in colour; a proxy receives nothing."""
    reader, end = pty.openpty()
    with CaptureServer() as proxy:
        proxies = dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy", "grpc_proxy"), proxy.url)
        with subprocess.Popen(
            [sys.executable, "-m", "mem0_telemetry", "demo", "--verbose"],
            env=clean_environ(tmp_path, **proxies, no_proxy="intranet.example", TERM="xterm"),
            stdout=end,
        ) as process:
            os.close(end)
            seen = what_is_seen(reader)
        assert process.returncode == 0, seen
        assert proxy.requests == []
    assert "\x1b[32mrequests 0, threads 0, files 0\x1b[0m" in seen
    plain = re.sub(r"\x1b\[\d+m", "", seen)
    assert [line for line in plain.splitlines() if len(line) > 80] == []
    assert f"{len(WAYS) + 1} of {len(WAYS) + 1} programs have ended" in plain
    in_order = ["in temporary homes", "mem0.search 2", *(f"  {way.shown} " for way in WAYS)]
    in_order += [
        "upsert_memory",
        "All of this was observed",
        '"event": "mem0.search"',
        '"event_name": "mem0.search"',
    ]
    places = [plain.index(text) for text in in_order]
    assert places == sorted(places)
    assert plain.count("requests 0, threads 0, files 0") == len(WAYS)


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_make_demo_installs_no_development_tools() -> None:
    """`make demo` creates an environment with only the packages that users install, and reports it meanwhile."""
    root = Path(__file__).parents[2]
    made = subprocess.run(
        ["make", "--dry-run", "--what-if=pyproject.toml", "demo"],  # noqa: S607
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "scripts/environment.sh .venvs/demo" in made
    assert "requirements/dev.txt" not in made
    assert "Installing packages into $directory" in (root / "scripts" / "environment.sh").read_text()
