"""The value of a variable may be a misplaced secret: no message, reason or status contains it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from mem0_telemetry import environment_variables as env
from opentelemetry.exporter.posthog.testing import Answer, CaptureServer
from support.processes import clean_environ, run_python

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "phx_0hunter2hunter2hunter2"  # noqa: S105  # it only looks like a secret
TELL_ALL = """
import dataclasses, json, logging
logging.basicConfig(level=logging.DEBUG)
import mem0_telemetry
from mem0_telemetry import cli, telemetry
mem0_telemetry.instrument()
telemetry.capture_event("mem0.init", object(), {"sync_type": "sync"})
print(json.dumps(dataclasses.asdict(mem0_telemetry.status())))
cli.main(["status"])
cli.main(["status", "--json"])
"""
WHERE_SECRETS_END_UP = [
    (env.MEM0_TELEMETRY, SECRET),
    (env.DO_NOT_TRACK, SECRET),
    (env.MEM0_TELEMETRY_EXPORTER, SECRET),
    (env.MEM0_TELEMETRY_EXPORTER, f"console,{SECRET}"),
    (env.MEM0_TELEMETRY_POSTHOG_API_KEY, f"'{SECRET}'"),
    (env.MEM0_TELEMETRY_POSTHOG_HOST, SECRET),
    (env.MEM0_TELEMETRY_POSTHOG_HOST, f"https://user:{SECRET}@127.0.0.1:9"),
    (env.MEM0_TELEMETRY_OTLP_ENDPOINT, f"http://{SECRET}@127.0.0.1:9"),
    (env.MEM0_TELEMETRY_OTLP_HEADERS, SECRET),
    (env.MEM0_TELEMETRY_OTLP_PROTOCOL, SECRET),
    (env.MEM0_TELEMETRY_SAMPLE_RATE, SECRET),
    (env.MEM0_TELEMETRY_EXIT_TIMEOUT, SECRET),
]


@pytest.mark.parametrize(("variable", "value"), WHERE_SECRETS_END_UP)
def test_no_output_repeats_a_value(tmp_path: Path, variable: str, value: str) -> None:
    """Logs at DEBUG, `status()` and the command name the variable, but never its value."""
    nowhere = {} if "POSTHOG" in variable else {env.MEM0_TELEMETRY_POSTHOG_HOST: "http://127.0.0.1:9"}
    if "OTLP" in variable:
        nowhere = {env.MEM0_TELEMETRY_EXPORTER: "otlp"}
    done = run_python(TELL_ALL, clean_environ(tmp_path, **{**nowhere, variable: value}), listening=False)
    assert variable in done.stdout
    assert "hunter2" not in done.stdout + done.stderr


def test_no_output_repeats_a_query(tmp_path: Path, server: CaptureServer) -> None:
    """A token in the query of an OTLP endpoint is sent there, but appears in no log, status, command output or file."""
    server.answer(Answer(status=503))
    server.answer_always(Answer(status=401))
    code = f"{TELL_ALL}\nmem0_telemetry.flush(60)\n{TELL_ALL}\ncli.main(['show'])"
    endpoint = {env.MEM0_TELEMETRY_OTLP_ENDPOINT: f"{server.url}?token={SECRET}"}
    done = run_python(code, clean_environ(tmp_path, **endpoint), listening=False)
    assert {request.path for request in server.requests} == {f"/v1/logs?token={SECRET}"}
    assert "HTTP 401" in done.stdout
    assert "HTTP 401" in done.stderr
    paths = list(tmp_path.rglob("*"))
    files = [path.read_text() for path in paths if path.is_file()]
    assert any("HTTP 401" in text for text in files)
    assert "hunter2" not in "".join((done.stdout, done.stderr, *files, *map(str, paths)))


def test_unusable_sample_rate_is_reported(tmp_path: Path) -> None:
    """A sample rate of 50 is invalid: the default is used, and the log at DEBUG and `status()` report it."""
    code = """
        import json, logging, sys
        logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
        import mem0_telemetry
        from mem0_telemetry import telemetry
        found = mem0_telemetry.status()
        print(json.dumps([found.sample_rate, found.problems]))
    """
    done = run_python(
        code, clean_environ(tmp_path, **{env.MEM0_TELEMETRY_SAMPLE_RATE: "50"}), listening=False
    )
    rate, problems = json.loads(done.stdout)
    assert rate == 0.1
    assert [problem.split()[0] for problem in problems] == [env.MEM0_TELEMETRY_SAMPLE_RATE]
    assert "DEBUG:mem0_telemetry:MEM0_TELEMETRY_SAMPLE_RATE is no number" in done.stderr
