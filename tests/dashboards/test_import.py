"""The importer brings a project up to date, or leaves it unchanged and prints why."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fake_posthog import PROJECT, FakePostHog

from opentelemetry.exporter.posthog.testing import Answer, CaptureServer
from support.processes import clean_environ, run_program

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
FILES = [json.loads(path.read_text()) for path in sorted((ROOT / "dashboards" / "posthog").glob("*.json"))]
INSIGHTS = [insight for file in FILES for insight in file["insights"]]


@pytest.fixture
def posthog() -> Iterator[FakePostHog]:
    """Serve a project that has objects of other people."""
    with FakePostHog() as server:
        server.put("dashboards", name="Sales", description="")
        server.put("insights", name="Revenue", description=None, query=None, dashboard_tiles=[])
        yield server


def run(
    posthog: FakePostHog,
    home: Path,
    *options: str,
    project: str = PROJECT,
    key: str = "phx_test",
    host: str = "",
) -> subprocess.CompletedProcess[str]:
    """Run the importer as a user does, with nothing but Python."""
    environ = clean_environ(home, NO_PROXY="127.0.0.1", POSTHOG_PERSONAL_API_KEY=key)
    command = [sys.executable, "-I", ROOT / "dashboards" / "import.py", *options]
    return run_program([*command, "--host", host or posthog.url, "--project", project], environ)


def as_it_was(posthog: FakePostHog) -> bool:
    """Return whether the project has only the objects of other people."""
    return [each["name"] for kind in posthog.kept for each in posthog.visible(kind)] == ["Sales", "Revenue"]


def made_insights(posthog: FakePostHog) -> list[dict[str, Any]]:
    """Return the insights that the importer made."""
    return [each for each in posthog.visible("insights") if each["name"] != "Revenue"]


def test_without_apply_nothing_is_written(posthog: FakePostHog, tmp_path: Path) -> None:
    """Without `--apply` the importer prints what it would do, and only reads."""
    result = run(posthog, tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.count("create insight ") == len(INSIGHTS)
    assert result.stdout.endswith("Nothing was written: --apply does it.\n")
    assert posthog.written == []


def test_the_dashboards_are_made_with_their_tiles(posthog: FakePostHog, tmp_path: Path) -> None:
    """Each tile is created as in its file, on its dashboard; objects of other people stay."""
    assert run(posthog, tmp_path, "--apply").returncode == 0
    made: dict[str, dict[str, Any]] = {
        each["name"]: each for kind in posthog.kept for each in posthog.visible(kind)
    }
    assert len(made) == 2 + len(FILES) + len(INSIGHTS)
    for file in FILES:
        dashboard = made[file["dashboard"]["name"]]
        for insight in file["insights"]:
            assert made[insight["name"]]["query"] == insight["query"]
            assert made[insight["name"]]["dashboard_tiles"] == [{"id": 0, "dashboard_id": dashboard["id"]}]


def test_a_second_import_changes_nothing(posthog: FakePostHog, tmp_path: Path) -> None:
    """A second import sends no request that writes."""
    run(posthog, tmp_path, "--apply")
    posthog.written.clear()
    result = run(posthog, tmp_path, "--apply")
    assert result.returncode == 0
    assert result.stdout.count("leave ") == len(FILES) + len(INSIGHTS)
    assert posthog.written == []


def test_an_older_query_is_brought_up_to_date(posthog: FakePostHog, tmp_path: Path) -> None:
    """The importer replaces an older query, ignores PostHog's additions to it, and keeps a tile on other dashboards."""
    run(posthog, tmp_path, "--apply")
    posthog.written.clear()
    first, second = made_insights(posthog)[:2]
    first["query"] = {**first["query"], "source": {"kind": "HogQLQuery", "query": "SELECT 1"}}
    first["dashboard_tiles"].append({"id": 1, "dashboard_id": 101})
    second["query"] = {**second["query"], "version": 2, "source": {**second["query"]["source"], "version": 1}}
    assert run(posthog, tmp_path, "--apply").returncode == 0
    assert posthog.written == [("PATCH", "insights")]
    assert first["query"]["source"]["query"] != "SELECT 1"
    assert len(first["dashboard_tiles"]) == 2


@pytest.mark.parametrize("kind", ["dashboards", "insights"])
def test_a_name_of_somebody_else_stops_the_import(posthog: FakePostHog, tmp_path: Path, kind: str) -> None:
    """If an object of somebody else has the name, nothing is written."""
    name = FILES[0]["dashboard"]["name"] if kind == "dashboards" else INSIGHTS[-1]["name"]
    posthog.put(kind, name=name, description="Mine.", query=None)
    result = run(posthog, tmp_path, "--apply")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f'There is already a "{name}" that this did not make. Rename it, and try again.\n'
    assert posthog.written == []


NO_SCOPE = (
    "The key may not do this: API key missing required scope 'insight:write'. "
    "It needs the scopes dashboard:write and insight:write."
)
REFUSALS = {
    401: "{url} does not accept the key in POSTHOG_PERSONAL_API_KEY: Invalid personal API key.",
    403: NO_SCOPE,
    500: "{url} answers 500: A server error occurred.",
}


@pytest.mark.parametrize("status", REFUSALS)
@pytest.mark.parametrize("written", [0, 1, 9])
def test_nothing_is_left_half_written(
    posthog: FakePostHog, tmp_path: Path, written: int, status: int
) -> None:
    """If a request is refused, the importer undoes its earlier writes."""
    posthog.refuse = {written: status}
    result = run(posthog, tmp_path, "--apply")
    assert (result.returncode, result.stdout) == (1, "")
    now = "What had been written was taken back." if written else "Nothing was changed."
    assert result.stderr == f"{REFUSALS[status].format(url=posthog.url)} {now}\n"
    assert as_it_was(posthog)


def test_a_changed_object_is_restored(posthog: FakePostHog, tmp_path: Path) -> None:
    """After a refusal, objects that the importer changed are as before."""
    run(posthog, tmp_path, "--apply")
    old = made_insights(posthog)[:3]
    for each in old:
        each["query"] = {
            "kind": "DataVisualizationNode",
            "source": {"kind": "HogQLQuery", "query": "SELECT 1"},
        }
    posthog.written.clear()
    posthog.refuse = {2: 500}
    assert run(posthog, tmp_path, "--apply").returncode == 1
    assert [each["query"]["source"]["query"] for each in old] == ["SELECT 1"] * 3


def test_objects_that_cannot_be_restored_are_named(posthog: FakePostHog, tmp_path: Path) -> None:
    """If PostHog fails before the import is undone, the message names the objects that remain."""
    posthog.refuse = {2: 500, 3: 500, 4: 500}
    result = run(posthog, tmp_path, "--apply")
    assert result.returncode == 1
    left = [
        f"dashboard {posthog.visible('dashboards')[-1]['id']}",
        f"insight {posthog.visible('insights')[-1]['id']}",
    ]
    assert all(each in result.stderr for each in left)


NO_HTTPS = "{host} is no address that begins with https://."
WRONG = {
    "There is no project 8 at {url}, or the key cannot see it.": {"project": "8"},
    "{host} cannot be reached: [Errno 111] Connection refused.": {"host": "http://127.0.0.1:9"},
    NO_HTTPS: {"host": "http://posthog.example"},
    f"{NO_HTTPS} ": {"host": "us.posthog.com"},
    "POSTHOG_PERSONAL_API_KEY is not set: make a personal API key in PostHog's settings.": {"key": ""},
    "POSTHOG_PERSONAL_API_KEY holds a project's key, which can only send events: it has to be a personal one.": {
        "key": "phc_x"
    },
}
"""The message for each wrong setting."""


@pytest.mark.parametrize("said", WRONG)
def test_a_wrong_setting_prints_one_line(posthog: FakePostHog, tmp_path: Path, said: str) -> None:
    """An unknown project, an unreachable or untrusted host, or a wrong key prints one line and exits with 1."""
    result = run(posthog, tmp_path, "--apply", **WRONG[said])
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == said.format(url=posthog.url, host=WRONG[said].get("host")).strip() + "\n"
    assert posthog.written == []


def test_the_key_is_sent_to_no_other_host(posthog: FakePostHog, tmp_path: Path) -> None:
    """The importer does not follow a redirect."""
    with CaptureServer() as redirecting, CaptureServer() as other:
        redirecting.answer_always(Answer(status=302, headers={"Location": other.url}))
        result = run(posthog, tmp_path, host=redirecting.url)
        assert (result.returncode, len(redirecting.requests), other.requests) == (1, 1, [])
