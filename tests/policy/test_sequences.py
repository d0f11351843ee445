"""Tests of consent over the life of a process: the sequences of `conformance/consent.json`, with the real drop-in."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.processes import posthog_environ, run_python

if TYPE_CHECKING:
    from opentelemetry.exporter.posthog.testing import CaptureServer

SEQUENCES = json.loads((Path(__file__).parents[2] / "conformance" / "consent.json").read_text())["sequences"]

PROGRAM = """
import json, os, sys
steps, switch = json.loads({steps!r}), {switch!r}

def record():
    from mem0_telemetry import flush, status, telemetry
    before = status().sent
    telemetry.capture_event("mem0.init", object(), {{"sync_type": "sync"}})
    assert flush(60)
    return status().sent > before

def choose(choice):
    from mem0_telemetry.cli import main
    if choice != "unreadable":
        assert main([choice]) == 0
        return
    os.makedirs(os.environ["MEM0_DIR"] + "/telemetry")
    with open(os.environ["MEM0_DIR"] + "/telemetry/state.json", "w") as file:
        file.write("{{")

def flip(value):
    import mem0_telemetry.telemetry
    if switch == "flag":
        mem0_telemetry.telemetry.MEM0_TELEMETRY = value
    else:
        mem0_telemetry.set_enabled(value)

for step in steps:
    ((verb, value),) = step.items()
    if verb == "set":
        os.environ.update(value)
    elif verb == "unset":
        for name in value:
            del os.environ[name]
    elif verb == "start":
        import mem0_telemetry
        mem0_telemetry.instrument()
    elif verb == "mem0":
        import mem0
    elif verb == "switch":
        flip(value)
    elif verb == "choose":
        choose(value)
    elif verb == "event":
        assert record() == value, (step, steps)
    else:
        raise ValueError(verb)
"""


def test_every_sequence_holds(tmp_path: Path, server: CaptureServer) -> None:
    """Each event of each sequence is recorded or not as the truth table says, with both run-time switches."""

    def play(numbered: tuple[int, tuple[list[dict[str, Any]], str]]) -> str:
        number, (steps, switch) = numbered
        home = tmp_path / str(number)
        home.mkdir()
        environ = posthog_environ(home, server.url, MEM0_DIR=str(home / ".mem0"))
        program = PROGRAM.format(steps=json.dumps(steps), switch=switch)
        result = run_python(program, environ, timeout=180, listening=False)  # some steps cause warnings
        return result.stderr if result.returncode else ""

    runs = [(sequence["steps"], "flag") for sequence in SEQUENCES]
    switched = [steps for steps, _ in runs if any("switch" in step for step in steps)]
    runs += [(steps, "set_enabled") for steps in switched]
    with ThreadPoolExecutor(4) as pool:
        failures = [failure for failure in pool.map(play, enumerate(runs)) if failure]
    assert failures == []
    assert len(runs) > len(SEQUENCES) > 15
