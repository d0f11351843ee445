"""The user's side of a pseudo-terminal."""

from __future__ import annotations

import os


def what_is_seen(reader: int) -> str:
    """Return everything written to the other end, once that is closed."""
    seen = b""
    try:
        while part := os.read(reader, 65536):
            seen += part
    except OSError:  # Reading fails when the other end is closed.
        pass
    os.close(reader)
    return seen.decode().replace("\r\n", "\n")
