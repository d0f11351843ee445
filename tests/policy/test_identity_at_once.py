"""Tests of the installation id under concurrency: many processes and Mem0's own tools end with one id."""

import subprocess
import sys
from pathlib import Path

import pytest

from mem0_telemetry.policy.identity import Identity, current, establish
from support.identities import MEM0S, write_config

pytestmark = [pytest.mark.interpreter, pytest.mark.usefixtures("new_process")]


ESTABLISH = """
import sys, time
from mem0_telemetry.policy.identity import establish
sys.stdin.read()
made = establish(sys.argv[1])
print(made.id, made.ephemeral)
"""


def race(directory: Path, count: int) -> list[str]:
    """Let `count` processes establish the id at the same time, and return what each printed."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ESTABLISH, str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(count)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
    answers = []
    for process in processes:
        assert process.stdout is not None
        answers.append(process.stdout.read().strip())
        process.stdout.close()
        assert process.wait(120) == 0
    return answers


def test_fifty_processes_end_with_one_id(tmp_path: Path) -> None:
    """Fifty processes that record their first event at the same time get one stored id."""
    answers = race(tmp_path, 50)
    stored = current(str(tmp_path))
    assert stored is not None
    assert set(answers) == {f"{stored.id} False"}
    assert [path.name for path in tmp_path.iterdir()] == ["telemetry"]


REWRITE = """
import json, pathlib, sys
path = pathlib.Path(sys.argv[1])
print("ready", flush=True)
for n in range(400):
    # Mem0's tools also load the current content, then write a fixed schema in place.
    try:
        known = json.loads(path.read_text())
    except ValueError:
        known = {}
    kept = {"platform": {"base_url": "x" * (n % 50)}, "user_id": known.get("user_id")}
    path.write_text(json.dumps(kept, indent=2))
"""


def test_a_tool_that_rewrites_the_config_meanwhile_does_no_harm(tmp_path: Path) -> None:
    """The stored id stays the same while another program rewrites `config.json` in place."""
    write_config(tmp_path, {"user_id": MEM0S})
    assert establish(str(tmp_path)).id == MEM0S
    writer = subprocess.Popen(
        [sys.executable, "-c", REWRITE, str(tmp_path / "config.json")], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    seen = set()
    while writer.poll() is None:
        made = establish(str(tmp_path))
        seen.add(made.id if not made.ephemeral else "ephemeral")
    writer.stdout.close()
    assert writer.returncode == 0
    assert seen <= {MEM0S, "ephemeral"}
    assert current(str(tmp_path)) == Identity(id=MEM0S) == establish(str(tmp_path))
