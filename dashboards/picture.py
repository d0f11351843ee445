"""Draw the dashboard *Usage* from the results of its test: `make dashboards-picture`.

`picture.py RESULTS DIRECTORY` writes `usage-light.png` and `usage-dark.png`.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import matplotlib as mpl
from tiles import TILES

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib import dates

THEMES = {
    "light": {
        "back": "#ffffff",
        "text": "#1f2328",
        "grid": "#d8dee4",
        "bars": "#5b8def",
        "lines": ("#5b8def", "#d9822b"),
    },
    "dark": {
        "back": "#0d1117",
        "text": "#e6edf3",
        "grid": "#30363d",
        "bars": "#6ea0ff",
        "lines": ("#6ea0ff", "#f0a35e"),
    },
}
"""Colours for GitHub's pages; the two lines also differ in lightness."""
SHOWN_ERRORS = 2
"""Standard errors on each side of an error bar."""

Theme = dict[str, Any]
Result = dict[str, Any]


def draw(results: dict[str, Result], theme: Theme, path: Path) -> None:
    """Draw the dashboard in one theme."""
    plt.rcParams.update(
        {
            "font.size": 9,
            "text.color": theme["text"],
            "axes.labelcolor": theme["text"],
            "axes.edgecolor": theme["grid"],
            "axes.facecolor": theme["back"],
            "figure.facecolor": theme["back"],
            "xtick.color": theme["text"],
            "ytick.color": theme["text"],
        }
    )
    figure = plt.figure(figsize=(12, 7.6), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(1.15, 1))
    left, right = upper.subplots(1, 2)
    bars(left, results["calls"], "calls", theme)
    by_day(right, results["calls_by_day"], theme)
    for axes, key in zip(
        lower.subplots(1, 3), ("sync_type", "search_features", "search_limits"), strict=True
    ):
        bars(axes, results[key], key, theme)
    figure.suptitle(
        f"Mem0 usage: estimates from sampled events. Error bars: {SHOWN_ERRORS} standard errors. ◇ the true number",
        fontsize=10.5,
    )
    figure.savefig(path, dpi=130, metadata={"Software": None})
    plt.close(figure)


def bars(axes: Any, result: Result, key: str, theme: Theme) -> None:
    """Draw a tile as bars, with the longest at the top."""
    rows = result["rows"][::-1]
    names = [next(iter(row.values())) for row in rows]
    calls = [row["calls"] for row in rows]
    axes.barh(names, calls, color=theme["bars"], height=0.62)
    errors = [SHOWN_ERRORS * row["standard_error"] for row in rows]
    axes.errorbar(calls, names, xerr=errors, fmt="none", ecolor=theme["text"], elinewidth=1.2, capsize=3)
    made = dict(result["made"])
    axes.plot([made[name] for name in names], names, **true_number(theme))
    finish(axes, key, theme)
    axes.set_xlabel(TILES[key].unit)
    axes.set_xlim(left=0)
    axes.grid(axis="x", color=theme["grid"], linewidth=0.6)


def by_day(axes: Any, result: Result, theme: Theme) -> None:
    """Draw a tile as a line for each event."""
    for colour, event in zip(theme["lines"], ("mem0.search", "mem0.add"), strict=True):
        rows = [row for row in result["rows"] if row["event"] == event]
        days = [datetime.fromisoformat(row["day"]) for row in rows]
        errors = [SHOWN_ERRORS * row["standard_error"] for row in rows]
        calls = [row["calls"] for row in rows]
        axes.errorbar(
            days, calls, yerr=errors, color=colour, marker="o", markersize=4, capsize=3, label=event
        )
        made = {day: number for day, name, number in result["made"] if name == event}
        truth = [made[row["day"][:10]] for row in rows]
        axes.plot(days, truth, **true_number(theme))
    finish(axes, "calls_by_day", theme)
    axes.set_ylabel(TILES["calls_by_day"].unit)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_formatter(dates.DateFormatter("%d %b"))
    axes.grid(axis="y", color=theme["grid"], linewidth=0.6)
    axes.legend(frameon=False, labelcolor=theme["text"], loc="upper left")


def true_number(theme: Theme) -> dict[str, Any]:
    """Return the style of a true number's mark: hollow, so that the estimate beneath it stays visible."""
    edge = {"markeredgecolor": theme["text"], "markerfacecolor": theme["back"], "markersize": 5}
    return {"marker": "D", "linestyle": "none", "clip_on": False, "zorder": 5, **edge}


def finish(axes: Any, key: str, theme: Theme) -> None:
    """Add the title of a tile, and remove lines and ticks that carry no information."""
    axes.set_title(TILES[key].title, loc="left", fontsize=10, fontweight="bold", color=theme["text"])
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(length=0, pad=6)


def main() -> None:
    """Draw both pictures."""
    results = json.loads(Path(sys.argv[1]).read_bytes())
    directory = Path(sys.argv[2])
    directory.mkdir(exist_ok=True)
    for name, theme in THEMES.items():
        draw(results, theme, directory / f"usage-{name}.png")


if __name__ == "__main__":
    main()
