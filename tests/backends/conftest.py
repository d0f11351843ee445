"""Tests against real receivers run by `make test-backends` (`-m backends`), and not otherwise."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

# Mem0 reads these when it is imported, which the stand-ins do.
os.environ["MEM0_TELEMETRY"] = "False"
os.environ["MEM0_DIR"] = tempfile.mkdtemp(prefix="mem0-backends-")


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", "backends: needs the receivers that `make test-backends` installs")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave these tests out unless the run's `-m` names them."""
    if "backends" in (config.option.markexpr or ""):
        return
    left_out = [item for item in items if item.get_closest_marker("backends")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
