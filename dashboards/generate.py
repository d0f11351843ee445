"""Write the dashboards in the form of PostHog's API, and their part of the page: `make dashboards`.

With `--check`, write nothing, and fail if a file differs from its generated content.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tiles import DASHBOARDS

if TYPE_CHECKING:
    from tiles.model import Dashboard, Tile

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "dashboards.md"
BEGIN, END = (
    "<!-- Written by `make dashboards`. -->\n",
    "<!-- The end of what `make dashboards` writes. -->\n",
)
MADE_BY = "Made by mem0-telemetry."
"""The end of each description, by which the importer recognizes the objects that it may change."""
LONGEST_DESCRIPTION = 400
"""The number of characters that PostHog accepts."""


def insight(tile: Tile) -> dict[str, Any]:
    """Return the body of the request that creates the tile."""
    description = f"{tile.unit.capitalize()}. {tile.reading} It cannot say: {tile.limits} {MADE_BY}"
    assert len(description) <= LONGEST_DESCRIPTION, f"{tile.key}: {len(description)} characters"
    query: dict[str, Any] = {
        "kind": "DataVisualizationNode",
        "source": {"kind": "HogQLQuery", "query": tile.query},
        "display": tile.display,
    }
    if tile.columns:
        x, *drawn = tile.columns
        query["chartSettings"] = {"xAxis": {"column": x}, "yAxis": [{"column": column} for column in drawn]}
        if tile.series:
            query["chartSettings"]["seriesBreakdownColumn"] = tile.series
    return {"name": tile.title, "description": description, "query": query, "saved": True}


def bodies(dashboard: Dashboard) -> str:
    """Return the file of a dashboard: the request body that creates it, and those that create its tiles."""
    body = {"name": dashboard.title, "description": f"{dashboard.purpose} {MADE_BY}"}
    content = {"dashboard": body, "insights": [insight(tile) for tile in dashboard.tiles]}
    return json.dumps(content, indent=2) + "\n"


def section(dashboard: Dashboard) -> str:
    """Return a dashboard's section of the page."""
    rows = (
        f"| {tile.question} | *{tile.title}*: {tile.unit} | {tile.reading} | {tile.limits} |\n"
        for tile in dashboard.tiles
    )
    head = "| Question | Tile | How to read it | What it cannot say |\n| --- | --- | --- | --- |\n"
    name = dashboard.title.removeprefix("Mem0 ").capitalize()
    return f"### {name}\n\n{dashboard.purpose}\n\n{head}{''.join(rows)}\n"


def files() -> dict[Path, str]:
    """Return the content of each file."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    sections = "\n" + "".join(map(section, DASHBOARDS))
    directory = Path(__file__).parent / "posthog"
    return {
        PAGE: before + BEGIN + sections + END + after,
        **{directory / f"{dashboard.key}.json": bodies(dashboard) for dashboard in DASHBOARDS},
    }


def main() -> None:
    """Write the files, or print which of them are out of date."""
    out_of_date = []
    for path, content in files().items():
        if "--check" not in sys.argv:
            path.write_text(content, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != content:
            out_of_date.append(f"{path.relative_to(ROOT)} is out of date: make dashboards")
    sys.exit("\n".join(out_of_date) or 0)


if __name__ == "__main__":
    main()
