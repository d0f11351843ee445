"""Write Mem0's `config.json` for the tests of the installation id, and recognize a random id."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


MEM0S = "0b8a1c7e-3f43-4f0b-9d53-6f6f2d6b1a10"
"""An id that Mem0 has written."""


def write_config(directory: Path, content: Any) -> bytes:
    """Write Mem0's `config.json` and return its bytes."""
    text = content if isinstance(content, str) else json.dumps(content, indent=4)
    (directory / "config.json").write_text(text)
    return text.encode()


def is_random(text: str) -> bool:
    """Return whether the text is a UUID of version 4."""
    return str(uuid.UUID(text)) == text and uuid.UUID(text).version == 4
