"""Tests of a mem0ai that has adopted the drop-in. They run only after `make test-adoption` has installed one."""

from __future__ import annotations

import os
import tempfile
from importlib.metadata import requires

from mem0_telemetry.mem0_internals import import_hook

ADOPTED = any(name.startswith("mem0-telemetry") for name in requires("mem0ai") or ())
collect_ignore_glob = [] if ADOPTED else ["test_*.py"]

if ADOPTED:
    # Import Mem0 here: this import leaves a finder on `sys.meta_path`, which a check would count against a test.
    os.environ["MEM0_DIR"] = tempfile.mkdtemp(prefix="mem0-adoption-")
    import mem0.memory.main  # noqa: F401

    import_hook._finder.hooks.clear()
    import_hook._finder.served.clear()
    import_hook._finder._leave_if_idle()
