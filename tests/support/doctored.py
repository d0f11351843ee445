"""Copy the installed mem0 package, as symbolic links, with another `memory/telemetry.py`."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def doctored_mem0(directory: Path, source: str) -> Path:
    """Make the copy in `directory`; return the directory to put on `sys.path`."""
    spec = importlib.util.find_spec("mem0")
    assert spec is not None
    assert spec.origin is not None
    original = Path(spec.origin).parent
    copy = directory / "mem0"
    (copy / "memory").mkdir(parents=True)
    for entry in original.iterdir():
        if entry.name not in ("memory", "__pycache__"):
            (copy / entry.name).symlink_to(entry)
    for entry in (original / "memory").iterdir():
        if entry.name not in ("telemetry.py", "__pycache__"):
            (copy / "memory" / entry.name).symlink_to(entry)
    (copy / "memory" / "telemetry.py").write_text(source)
    return directory


def own_source() -> str:
    """Return the source of the installed `memory/telemetry.py`."""
    spec = importlib.util.find_spec("mem0")
    assert spec is not None
    assert spec.origin is not None
    return (Path(spec.origin).parent / "memory" / "telemetry.py").read_text()
