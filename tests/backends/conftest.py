"""Settings of the tests against real receivers, which `make test-backends` runs."""

from __future__ import annotations

import os
import tempfile

# Mem0 reads these when it is imported, and the fake models import it.
os.environ["MEM0_TELEMETRY"] = "False"
os.environ["MEM0_DIR"] = tempfile.mkdtemp(prefix="mem0-backends-")
