"""Mem0's `config.json`, which holds the user's API key, is never changed, and its content appears nowhere else."""

from __future__ import annotations

import subprocess
import sys
import uuid
from typing import TYPE_CHECKING

from mem0_telemetry.cli.harness.planted import forms_of
from support.processes import posthog_environ, run_python

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.exporter.posthog.testing import CaptureServer

KEY = "m0-Survivor8HqZ2w"
EMAIL = "survivor@planted.example"
RECORD = """
import mem0_telemetry
from mem0_telemetry import telemetry
mem0_telemetry.instrument()
telemetry.capture_event("mem0.init", object(), {"sync_type": "sync"})
telemetry.capture_client_event("client.init", object(), {"sync_type": "sync"})
telemetry.capture_event("mem0.init", object(), {"sync_type": "sync"})
print(telemetry.get_or_create_user_id(), telemetry.AnonymousTelemetry().user_id)
mem0_telemetry.flush(60)
mem0_telemetry.set_enabled(False)
mem0_telemetry.uninstrument()
"""
COMMANDS = ("status", "show", "disable", "enable", "reset-id", "clean", "status")


def test_config_is_never_changed_or_copied(tmp_path: Path, server: CaptureServer) -> None:
    """Events and all commands keep its bytes, mode, time and inode; its values are in no output, file or request."""
    theirs = str(uuid.uuid4())
    config = tmp_path / ".mem0" / "config.json"
    config.parent.mkdir()
    content = f'{{"platform" : {{"api_key":"{KEY}","user_email":"{EMAIL}" }},\r\n\t"user_id":"{theirs}","ü":1e3}}\n\n'
    config.write_bytes(content.encode())
    config.chmod(0o640)
    before = config.stat()
    places: list[tuple[str, bytes]] = []

    def look(name: str, printed: subprocess.CompletedProcess[str]) -> None:
        places.append((name, (printed.stdout + printed.stderr).encode()))
        ours = (tmp_path / ".mem0" / "telemetry").rglob("*")
        places.extend((f"{path.name} after {name}", path.read_bytes()) for path in ours if path.is_file())

    for settings in ({}, {"MEM0_TELEMETRY": "False"}, {"MEM0_TELEMETRY_DEBUG": "1"}):
        environ = posthog_environ(tmp_path, server.url, **settings)
        result = run_python(RECORD, environ)
        assert result.returncode == 0, result.stderr
        look(f"events with {settings}", result)
    for command in COMMANDS:
        result = subprocess.run(
            [sys.executable, "-m", "mem0_telemetry", command],
            env=posthog_environ(tmp_path, server.url),
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        look(command, result)
    assert config.read_bytes() == content.encode()
    after = config.stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_mode) == (
        before.st_ino,
        before.st_mtime_ns,
        before.st_mode,
    )
    assert len(server.events) == 3
    places += [
        ("a request", request.body + repr(dict(request.headers)).encode()) for request in server.requests
    ]
    needles = [needle for text in (KEY, EMAIL, theirs) for _, needle in forms_of(text)]
    found = {
        place
        for place, bytes_ in places
        for needle in needles
        if needle in bytes_ or needle in bytes_.lower()
    }
    assert found == set()
