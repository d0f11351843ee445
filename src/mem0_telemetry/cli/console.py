# SPDX-License-Identifier: Apache-2.0
"""Print the command's output: at most 80 columns, and colour only at a terminal that wants it."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_CODES = {"bold": "1", "green": "32", "red": "31", "yellow": "33", "dim": "2"}
_STYLE_OF_RESULT = {"refused": "red", "failed": "yellow"}


def styled(text: str, style: str) -> str:
    """Return `text` in bold, green, red, yellow or dim; unchanged unless a terminal shows it and wants colour."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if sys.stdout.isatty() and not plain else text


def heading(text: str, tail: str = "") -> None:
    """Print a title after an empty line; `tail` keeps its own style."""
    print(f"\n{styled(text, 'bold')}{tail}")


def prose(text: str, indent: str = "") -> None:
    """Print each line of `text`, wrapped."""
    print(_wrapped(text, indent))


def row(name: str, value: str) -> None:
    """Print a name and its value; the value is wrapped into its own column."""
    print(f"  {name:<14}{_wrapped(value, ' ' * 16).lstrip()}")


def failed(text: str) -> int:
    """Print an error and its remedy on standard error; return the exit status 1."""
    print(_wrapped(f"mem0-telemetry: {text}"), file=sys.stderr)
    return 1


def progress(done: int, of: int) -> None:
    """Print how many programs have ended; at a terminal each count replaces the previous one."""
    last = "\r" if sys.stdout.isatty() and done < of else "\n"
    print(f"  {done} of {of} programs have ended", end=last, flush=True)


def shortened(path: Path | str) -> str:
    """Return a path with `~` for the home directory."""
    home = str(Path.home()) if os.environ.get("HOME") else ""
    return f"~{str(path)[len(home) :]}" if home and str(path).startswith(f"{home}/") else str(path)


def plural(count: int, noun: str) -> str:
    """Return the count and the noun, as in `1 event` or `2 events`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def outcome(send: Mapping[str, Any]) -> str:
    """Return the result of a send in the history: `sent`, `refused (HTTP 401)` or `failed (ConnectTimeout)`."""
    result, reason = str(send.get("result")), send.get("reason")
    text = f"{result} ({reason})" if reason else result
    return styled(text, _STYLE_OF_RESULT[result]) if result in _STYLE_OF_RESULT else text


def _wrapped(text: str, indent: str = "") -> str:
    wrapper = textwrap.TextWrapper(80, indent, indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(map(wrapper.fill, text.splitlines()))
