"""The tests of the dashboards may import the tiles, and the modules beside them."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "dashboards")]
