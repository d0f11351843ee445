"""The tiles of the dashboards for Mem0's maintainers, as data from which `make dashboards` writes PostHog's files."""

from __future__ import annotations

from tiles import adoption, health, usage

DASHBOARDS = (adoption.DASHBOARD, usage.DASHBOARD, health.DASHBOARD)
"""Every dashboard, in the order of the page."""
TILES = {tile.key: tile for dashboard in DASHBOARDS for tile in dashboard.tiles}
"""Every tile, by its key."""
