"""The version, readable without asking the package metadata for it (53 ms)."""

from __future__ import annotations

from typing import Final

__version__: Final = "0.1.0"
