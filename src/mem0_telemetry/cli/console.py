"""How the command prints: for people at a terminal of 80 columns, and without colour anywhere else."""

from __future__ import annotations

import os
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

WIDTH = 80
"""Columns that every line of prose fits."""

_CODES = {"bold": "1", "green": "32", "red": "31", "yellow": "33", "dim": "2"}


def has_colour() -> bool:
    """Whether standard output is a terminal whose user has not asked for plain text."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain


def styled(text: str, style: str) -> str:
    """Answer `text` in a style (bold, green, red, yellow, dim) where there is colour."""
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if has_colour() else text


def heading(text: str, tail: str = "") -> None:
    """Print the title of a part, with an empty line before it; `tail` has a style of its own."""
    print()
    print(styled(text, "bold") + tail)


def fact(name: str, value: str) -> None:
    """Print one named fact, its value wrapped into a column of its own."""
    lines = [line for part in value.splitlines() for line in _wrapped(part, WIDTH - _COLUMN)] or [""]
    for number, line in enumerate(lines):
        print(f"  {name if number == 0 else '':<{_COLUMN - 2}}{line}")


def prose(text: str, indent: str = "") -> None:
    """Print text as paragraphs of at most 80 columns."""
    for line in text.splitlines():
        print("\n".join(f"{indent}{part}" for part in _wrapped(line, WIDTH - len(indent))))


def failed(text: str) -> int:
    """Say on standard error what went wrong and how to go on; answer the exit status for it."""
    print("\n".join(_wrapped(f"mem0-telemetry: {text}", WIDTH)), file=sys.stderr)
    return 1


def progress(done: int, of: int) -> None:
    """Show how many of the programs have ended: in one line at a terminal."""
    last = "\r" if sys.stdout.isatty() and done < of else "\n"
    print(f"  {done} of {of} programs have ended", end=last, flush=True)


def shortened(path: str) -> str:
    """Answer a path as its user would write it, with `~` for the home directory."""
    home = str(Path.home()) if os.environ.get("HOME") else ""
    return f"~{path[len(home) :]}" if home and path.startswith(f"{home}/") else path


def plural(count: int, noun: str) -> str:
    """Answer `1 event`, `2 events`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def outcome(send: Mapping[str, Any]) -> str:
    """Return how one send of the history ended: `sent`, `refused (HTTP 401)`, or `failed (ConnectTimeout)`."""
    result, reason = str(send.get("result")), send.get("reason")
    text = f"{result} ({reason})" if reason else result
    return styled(text, _STYLE_OF_RESULT[result]) if result in _STYLE_OF_RESULT else text


_COLUMN = 16
_STYLE_OF_RESULT = {"refused": "red", "failed": "yellow"}


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]
