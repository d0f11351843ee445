"""Tests against real receivers run by `make test-backends`."""

from __future__ import annotations

import os
import tempfile

# Mem0 reads these when it is imported, which the fake models do.
os.environ["MEM0_TELEMETRY"] = "False"
os.environ["MEM0_DIR"] = tempfile.mkdtemp(prefix="mem0-backends-")
