"""Tests of a mem0ai that has adopted the drop-in: `make test-adoption` installs one, and elsewhere there is none."""

from __future__ import annotations

import os
import tempfile
from importlib.metadata import requires

from mem0_telemetry.mem0_internals import import_hook

ADOPTED = any(name.startswith("mem0-telemetry") for name in requires("mem0ai") or ())
collect_ignore_glob = [] if ADOPTED else ["test_*.py"]

if ADOPTED:
    # Here, so that no test is blamed for what the import of this Mem0 puts in front of imports.
    os.environ["MEM0_DIR"] = tempfile.mkdtemp(prefix="mem0-adoption-")
    import mem0.memory.main  # noqa: F401

    import_hook._finder.hooks.clear()
    import_hook._finder.served.clear()
    import_hook._finder._leave_if_idle()
