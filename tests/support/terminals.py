"""The user's side of a pseudo-terminal."""

from __future__ import annotations

import os


def what_is_seen(reader: int) -> str:
    """Return all that was written at the other end, once that is closed."""
    seen = b""
    try:
        while part := os.read(reader, 65536):
            seen += part
    except OSError:  # how a pseudo-terminal says that it has ended
        pass
    os.close(reader)
    return seen.decode().replace("\r\n", "\n")
