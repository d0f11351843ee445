"""Tests of the environment variables: documented, harmless to `opentelemetry-instrument`, and read consistently."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mem0_telemetry import environment_variables as names
from support.processes import clean_environ, run_python

if TYPE_CHECKING:
    from opentelemetry.exporter.posthog.testing import CaptureServer

TABLE = json.loads((Path(__file__).parents[2] / "conformance" / "consent.json").read_text())


def test_unread_variables_are_found() -> None:
    """Unread names of the table that look like a switch are found; our own names and harmless ones are not."""
    known = dict.fromkeys(
        [*TABLE["names"]["harmless"], *(getattr(names, n) for n in dir(names) if n.isupper())], "1"
    )
    known = {name: value for name, value in known.items() if type(name) is str}
    assert names.unread(known) == []
    for name in TABLE["names"]["a_no"]:
        assert names.unread({**known, name: ""}) == [name]


def test_a_switch_is_on_for_true_and_its_spellings() -> None:
    """A run-time switch is on for `True` and the strings that keep the variable on, and off for any other value."""
    assert [value for value in TABLE["values"]["on"] if not names.says_on(value)] == []
    assert [value for value in (*TABLE["values"]["off"], object()) if names.says_on(value)] == []


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"MEM0_TELEMTRY": "False"}, "MEM0_TELEMTRY"),
        (
            {"MEM0_TELEMETRY_ENABLED": "s3cret", "mem0_telemetry": "0"},
            "MEM0_TELEMETRY_ENABLED, mem0_telemetry",
        ),
    ],
)
@pytest.mark.parametrize("own", [False, True], ids=["vendor alone", "own backend too"])
def test_an_unread_variable_stops_sending_to_the_vendor(
    settings: dict[str, str],
    named: str,
    own: bool,  # noqa: FBT001  # a parameter of the test
    tmp_path: Path,
    server: CaptureServer,
) -> None:
    """One WARNING names the variable, not its value. Nothing is sent to PostHog; the user's own backend still works."""
    settings = {**settings, "MEM0_TELEMETRY_SAMPLE_RATE": "1", "MEM0_TELEMETRY": "true"}
    if own:
        settings.update(MEM0_TELEMETRY_EXPORTER="posthog,otlp", MEM0_TELEMETRY_OTLP_ENDPOINT=server.url)
    code = """
        import json, mem0_telemetry
        from mem0_telemetry import telemetry
        mem0_telemetry.instrument()
        for _ in range(3):
            telemetry.capture_event("mem0.init", object(), {"sync_type": "sync"})
        s = mem0_telemetry.status()
        print(json.dumps([mem0_telemetry.flush(60), s.enabled, s.source, [d.name for d in s.destinations]]))
    """
    result = run_python(code, clean_environ(tmp_path, **settings), listening=False)
    expected = [True, "MEM0_TELEMETRY", ["otlp"]] if own else [False, "destination", []]
    assert json.loads(result.stdout) == [True, *expected]
    assert result.stderr.count("\n") == 1
    assert f"as chosen: {named}: not a variable of mem0-telemetry or Mem0" in result.stderr
    assert "use MEM0_TELEMETRY\n" in result.stderr
    assert "s3cret" not in result.stderr
    assert {request.path for request in server.requests} == ({"/v1/logs"} if own else set())


def test_an_unread_variable_without_posthog_is_only_a_warning(tmp_path: Path) -> None:
    """If PostHog is not chosen, the WARNING only says that the variable is not read."""
    settings = {"MEM0_TELEMETRY_EXPORTER": "otlp", "MEM0_TELEMETRY_OTLP_TIMEOUT": "5"}
    code = """
        import json, mem0_telemetry
        mem0_telemetry.instrument()
        print(json.dumps([mem0_telemetry.status().enabled, mem0_telemetry.status().problems]))
    """
    result = run_python(code, clean_environ(tmp_path, **settings), listening=False)
    enabled, (problem,) = json.loads(result.stdout)
    assert enabled
    assert result.stderr == f"Mem0 usage telemetry: {problem}\n"
    assert problem.startswith("MEM0_TELEMETRY_OTLP_TIMEOUT: not a variable of mem0-telemetry or Mem0")
    assert problem.endswith("It is not read. Unset it")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("MEM0_TELEMETRYEXPORTER", "use MEM0_TELEMETRY_EXPORTER"),
        ("MEM0_TELEMETRY_DEBUGGING", "use MEM0_TELEMETRY_DEBUG"),
        ("MEM0_TELEMETRY_OTLP_TIMEOUT", "use MEM0_TELEMETRY=False, which switches telemetry off"),
        ("MEM0_DISABLE_TELEMETRY", "use MEM0_TELEMETRY=False, which switches telemetry off"),
    ],
)
def test_the_hint_is_a_similar_name(name: str, hint: str) -> None:
    """The hint is a similar name. A name that only shares a prefix is not suggested."""
    problem = names.problem_of_unread([name], stops_posthog=True)
    assert problem.endswith(hint)
    assert "To be safe, nothing is sent to PostHog." in problem


@pytest.mark.parametrize("value", ["'", '"phc_key', "phc_key'", "'phc_key\""])
def test_a_single_quote_belongs_to_the_value(value: str) -> None:
    """Only two equal quotes around a value are removed: anything else would become another value."""
    assert names.text({"MEM0_TELEMETRY_POSTHOG_API_KEY": value}, "MEM0_TELEMETRY_POSTHOG_API_KEY") == value


def test_every_name_is_documented() -> None:
    """Each name has a docstring below it."""
    found = set()
    for node, below in pairwise(ast.parse(Path(names.__file__).read_text(encoding="utf-8")).body):
        if isinstance(node, ast.Assign) and isinstance(below, ast.Expr):
            found.add(ast.unparse(node.targets[0]))
    assert found == {name for name in vars(names) if name.isupper() and not name.startswith("_")} - {
        "TYPE_CHECKING"
    }


def test_opentelemetry_instrument_starts() -> None:
    """`opentelemetry-instrument` starts: our distributions declare none of its options a second time."""
    assert [name for name in dir(names) if name.startswith("OTEL_")] == []
    script = "from opentelemetry.instrumentation.auto_instrumentation import run; run()"
    command = [sys.executable, "-c", script, "--help"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("value", "on"),
    [
        (None, False),
        ("", False),
        (" ", False),
        ("0", False),
        ("false", False),
        ("FALSE", False),
        ("1", True),
        ("no", True),
    ],
)
def test_a_switch_is_set_by_any_value_except_no(value: str | None, *, on: bool) -> None:
    """Empty, `0` and `false`, in any case, count as not set; any other value counts as set."""
    environ = {} if value is None else {"DO_NOT_TRACK": value}
    assert names.is_set(environ, "DO_NOT_TRACK") == on


@pytest.mark.parametrize("name", names.CI_VARIABLES)
def test_a_build_service_is_known(name: str) -> None:
    """The variable of each build service labels the process, unless it is `false`."""
    assert names.is_ci({name: "true"})
    assert not names.is_ci({name: "false"})
    assert not names.is_ci({})
