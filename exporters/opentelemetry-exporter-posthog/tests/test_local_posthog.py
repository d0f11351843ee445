"""`python -m opentelemetry.exporter.posthog.testing`: a local PostHog that prints and checks events."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from opentelemetry.exporter.posthog import PostHogLogExporter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_COMMAND = [sys.executable, "-m", "opentelemetry.exporter.posthog.testing"]


@pytest.fixture
def start() -> Iterator[Callable[..., tuple[subprocess.Popen[str], str]]]:
    """Return a function that starts the command and returns its process and URL."""
    running: list[subprocess.Popen[str]] = []
    # A shell starts background jobs with SIGINT ignored, and child processes inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def begin(*arguments: str) -> tuple[subprocess.Popen[str], str]:
        environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
        running.append(
            subprocess.Popen(
                [*_COMMAND, "--port", "0", *arguments], stdout=subprocess.PIPE, text=True, env=environment
            )
        )
        output = running[-1].stdout
        assert output is not None
        line = output.readline()
        return running[-1], next(
            word for word in line.replace('"', " ").split() if word.startswith("http")
        ).rstrip("}")

    yield begin
    signal.signal(signal.SIGINT, before)
    for process in running:
        process.kill()
        process.wait(60)
        assert process.stdout is not None
        process.stdout.close()


def _post(url: str, body: bytes) -> None:
    with urllib.request.urlopen(urllib.request.Request(f"{url}/batch/", body), timeout=60) as answer:  # noqa: S310  # a local URL
        assert json.loads(answer.read()) == {"status": "Ok"}


def test_it_prints_each_event_and_its_violations(start: Any, make_log: Callable[..., Any]) -> None:
    """The command prints the name, id and properties of an event, and how it violates PostHog's rules."""
    process, url = start()
    exporter = PostHogLogExporter(api_key="phc_any", host=url)
    exporter.export([make_log({"user.id": "u-17", "gift": "\u2603"})])
    exporter.shutdown()
    _post(url, b'{"api_key": "phc_any", "batch": [{"event": "", "distinct_id": "null"}]}')
    _post(url, b"no JSON")
    lines = []
    while not lines or "cannot parse" not in lines[-1]:
        lines.append(process.stdout.readline().rstrip())
    shown = "\n".join(lines)
    assert "order.placed  of u-17  at 2026-01-01T00:00:00.000000Z" in shown
    assert '    gift: "\\u2603"' in shown
    assert "    wrong: it has no name" in shown
    assert "\033" not in shown


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_it_prints_json_and_ends_by_ctrl_c(start: Any, make_log: Callable[..., Any]) -> None:
    """With `--json` each line is a JSON object; Ctrl-C ends the command with return code 0."""
    process, url = start("--json")
    exporter = PostHogLogExporter(api_key="phc_any", host=url)
    exporter.export([make_log({"n": 1}), make_log({"n": 2})])
    exporter.shutdown()
    lines = [json.loads(process.stdout.readline()) for _ in range(2)]
    assert [line["event"]["properties"]["n"] for line in lines] == [1, 2]
    assert [line["violations"] for line in lines] == [[], []]
    good = {"event": "good", "distinct_id": "u1"}
    _post(url, json.dumps({"api_key": "phc_any", "batch": [1, good, {"event": ""}]}).encode())
    found = [json.loads(process.stdout.readline()) for _ in range(3)]
    assert [line["event"] for line in found] == [1, good, {"event": ""}]
    assert [len(line["violations"]) for line in found] == [1, 0, 2]
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0


def test_a_port_in_use_is_reported(start: Any) -> None:
    """If the port is in use, the command names the option to change, without a traceback."""
    _, url = start()
    done = subprocess.run(
        [*_COMMAND, "--port", url.rpartition(":")[2]],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr
