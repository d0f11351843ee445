"""The documents name each variable, field and file that exists, and no others."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import textwrap
from dataclasses import fields
from typing import TYPE_CHECKING, get_args

from mem0_telemetry import environment_variables
from mem0_telemetry.api.status import DestinationStatus, Status
from mem0_telemetry.delivery._status import DROP_REASONS, State
from mem0_telemetry.policy import registry
from mem0_telemetry.policy.registry import added_attributes
from support.commands import command
from support.processes import clean_environ, run_program
from support.reader import README, ROOT, every_block

if TYPE_CHECKING:
    from pathlib import Path

NOT_FOR_USERS = {environment_variables.PYTEST_VERSION, environment_variables.PYTEST_CURRENT_TEST}


def test_every_variable_is_in_the_readme() -> None:
    """The README's table of variables has a row for each variable that a user may set, and no others."""
    declared = {
        value
        for name, value in vars(environment_variables).items()
        if name.isupper() and not name.startswith("_") and isinstance(value, str)
    }
    section = README.read_text().partition("## Environment\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert sorted(rows) == sorted(declared - NOT_FOR_USERS)


def test_every_field_of_the_status_is_explained(tmp_path: Path) -> None:
    """docs/status.md has a row for each field, state and drop reason, of `Status` and of the JSON, and no others."""
    page = (ROOT / "docs" / "status.md").read_text()
    tables = [set(re.findall(r"^\| `(\w+)` \|", part, re.MULTILINE)) for part in page.split("| --- ")]
    printed = json.loads(command(tmp_path, "status", "--json").stdout)
    declared = {field.name for field in fields(Status)}
    more = {*set(printed) - declared, *(field.name for field in fields(DestinationStatus))}
    states = {"idle", *get_args(State)}
    assert set().union(*tables) == {*declared, *more, *states, *DROP_REASONS, "unknown_event", "not_ready"}
    assert declared <= set(printed)
    for name in ("active", "reason", "mailbox", "events", "files", "time", "destination", "result", "count"):
        assert f"`{name}`" in page


def test_disable_leaves_what_the_readme_says(tmp_path: Path) -> None:
    """After `disable` and a run that it switches off, exactly the two files that the README names exist."""
    assert command(tmp_path, "disable").returncode == 0
    code = "import mem0_telemetry; mem0_telemetry.instrument(); from mem0_telemetry import telemetry as t; "
    code += "t.capture_event('mem0.init', object(), {}); print(mem0_telemetry.status().enabled)"
    assert run_program([sys.executable, "-c", code], clean_environ(tmp_path)).stdout == "False\n"
    left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    section = README.read_text().partition("## Switch it off\n")[2].partition("\n## ")[0]
    assert left == {name for name in ("state.json", "state.lock") if f"{name}`" in section}


def test_example_in_contributing_passes(tmp_path: Path) -> None:
    """The example test in CONTRIBUTING.md passes as written, with the fixtures of `tests/delivery`."""
    tests = ROOT / "tests"
    page = (ROOT / "CONTRIBUTING.md").read_text()
    example = page.partition("   ```python\n")[2].partition("   ```")[0]
    (tmp_path / "test_example.py").write_text(textwrap.dedent(example))
    shutil.copy(tests / "delivery" / "conftest.py", tmp_path)
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", f"pythonpath={tests}"]
    result = subprocess.run(pytest, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 passed" in result.stdout


def test_dashboard_queries_use_existing_names() -> None:
    """PostHog receives each event and property that the queries in docs/dashboards.md use."""
    queries = [b.text for b in every_block(ROOT / "docs" / "dashboards.md") if b.language == "sql"]
    assert queries
    asked = {
        name.strip("`") for query in queries for name in re.findall(r"properties\.(`[^`]+`|[$\w]+)", query)
    }
    attributes = {a for event in registry.EVENTS for a in event.attributes}
    sent = {
        a.posthog_name
        for a in (*attributes, *added_attributes.OF_EVERY_RECORD, *added_attributes.OF_THE_RESOURCE)
    }
    assert asked - {"$lib"} <= sent
    events = {name for query in queries for name in re.findall(r"'(mem0\.\w+)'", query)}
    assert events <= set(registry.posthog_event_names().values())
