"""`make dashboards` writes files that match the tiles and that PostHog's API accepts."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import generate
import pytest
from tiles import DASHBOARDS, TILES

from mem0_telemetry.policy import registry
from mem0_telemetry.policy.registry import added_attributes
from support.processes import clean_environ, run_program

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "dashboards" / "posthog").glob("*.json"))


def test_each_dashboard_has_its_file() -> None:
    """Each dashboard has one file, and there is no other file; titles and keys of tiles are unique."""
    assert [path.stem for path in FILES] == sorted(dashboard.key for dashboard in DASHBOARDS)
    tiles = [tile for dashboard in DASHBOARDS for tile in dashboard.tiles]
    assert len({tile.title for tile in tiles}) == len(TILES) == len(tiles)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_holds_bodies_of_requests(path: Path) -> None:
    """Each insight has its HogQL where PostHog expects it and a description of valid length; each chart has axes."""
    content = json.loads(path.read_bytes())
    for insight in content["insights"]:
        assert set(insight) == {"name", "description", "query", "saved"}
        query = insight["query"]
        assert (query["kind"], query["source"]["kind"]) == ("DataVisualizationNode", "HogQLQuery")
        assert query["source"]["query"].startswith("SELECT")
        assert ("chartSettings" in query) == (query["display"] != "ActionsTable")
        assert len(insight["description"]) <= 400
    importer = (ROOT / "dashboards" / "import.py").read_text()
    assert all(
        body["description"].endswith(generate.MADE_BY)
        for body in (content["dashboard"], *content["insights"])
    )
    assert f'MADE_BY = "{generate.MADE_BY}"' in importer


def test_the_tiles_follow_the_registry() -> None:
    """A tile counts each declared event, and one shows each reason for a loss."""
    assert all(f"'{event.posthog_name}'" in TILES["calls"].query for event in registry.EVENTS)
    assert all(attribute.key in TILES["losses"].query for attribute in added_attributes.DROPPED.values())


@pytest.mark.parametrize("changed", ["dashboards/posthog/usage.json", "docs/dashboards.md"])
def test_a_file_that_is_out_of_date_is_named(tmp_path: Path, changed: str) -> None:
    """The check passes on generated files, and names a file that was changed by hand."""
    for name in ("dashboards", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, tmp_path / "dashboards" / "generate.py"]
    environ = clean_environ(tmp_path)
    assert run_program([*command, "--check"], environ).returncode == 0
    path = tmp_path / changed
    path.write_text(path.read_text().replace("Mem0 calls by event", "Mem0 calls"))
    result = run_program([*command, "--check"], environ)
    assert (result.returncode, result.stderr) == (1, f"{changed} is out of date: make dashboards\n")
    assert run_program(command, environ).returncode == 0
    assert path.read_text() == (ROOT / changed).read_text()
