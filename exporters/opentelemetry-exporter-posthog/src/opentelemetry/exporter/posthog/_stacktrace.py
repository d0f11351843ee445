# SPDX-License-Identifier: Apache-2.0
"""Parse the text of a Python traceback into exceptions, with their frames and their causes."""

from __future__ import annotations

import os
import re
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEADER: Final = "Traceback (most recent call last):"
_GROUP_HEADER: Final = "Exception Group Traceback (most recent call last):"
_LINKS: Final = {
    "The above exception was the direct cause of the following exception:": "cause",
    "During handling of the above exception, another exception occurred:": "context",
}
_FRAME: Final = re.compile(r'  File "(?P<file>[^"]*)", line (?P<line>\d+)(?:, in (?P<function>.*))?')
_REPEATED: Final = re.compile(r"  \[Previous line repeated (\d+) more times?\]")
_MARKS: Final = re.compile(r"[\s~^]*")
_EXCEPTION: Final = re.compile(r"(?P<type>[^\s:]+)(?::(?: (?P<value>.*))?)?", re.DOTALL)
_MARGIN: Final = re.compile(r"^  [+|] ?")
"""The margin of an exception group's own lines; its members are indented by two more columns."""
_FIRST_MEMBER: Final = re.compile(r"  \+-\+-")
_NEXT_MEMBER: Final = re.compile(r"    \+--")
_MAX_FRAMES: Final = 200
_MAX_EXCEPTIONS: Final = 50
_MAX_MODULE_PARTS: Final = 32
"""More than module names have. Trying all prefixes of a long text that is not a type would take minutes."""
_STANDARD_LIBRARY: Final = os.__file__.rpartition(os.sep)[0]


def parse(text: str) -> list[dict[str, Any]]:
    """Return the exceptions in `text` as PostHog represents them; empty if there is none.

    The outermost exception is the first, and each exception precedes its causes. If the text is not from
    `traceback.format_exception`, parse it as far as possible.
    """
    found: list[dict[str, Any]] = []
    _add(text.split("\n"), found, link="", parent=0)
    return found


def exception(  # noqa: PLR0913  # the members of one object
    kind: str,
    value: str,
    frames: Sequence[dict[str, Any]] = (),
    *,
    place: int = 0,
    link: str = "",
    parent: int = 0,
    is_group: bool = False,
) -> dict[str, Any]:
    """Return one exception as PostHog represents it, at index `place`; `link` is its relation to that at `parent`."""
    mechanism: dict[str, Any] = {"exception_id": place}
    if place:
        mechanism |= {"source": link, "parent_id": parent, "type": "chained"}
    else:
        mechanism |= {"type": "generic", "handled": True}
    mechanism["synthetic"] = False
    if is_group:
        mechanism["is_exception_group"] = True
    module, name = _split_type(kind)
    built = {"mechanism": mechanism, "module": module, "type": name, "value": value}
    return {**built, "stacktrace": {"frames": frames, "type": "raw"}} if frames else built


def _add(lines: list[str], found: list[dict[str, Any]], *, link: str, parent: int) -> None:
    """Add the exceptions of `lines` to `found`, the last one first, because it is the outermost."""
    blocks: list[tuple[list[str], str]] = [([], "")]
    for line in lines:
        how = _LINKS.get(line.removeprefix("  | ").strip())
        if how:
            blocks.append(([], how))
        else:
            blocks[-1][0].append(line)
    for index in range(len(blocks) - 1, -1, -1):
        if len(found) >= _MAX_EXCEPTIONS:
            return
        place = len(found)
        if not _add_one(blocks[index][0], found, link=link, parent=parent):
            return
        link, parent = blocks[index][1], place


def _add_one(lines: list[str], found: list[dict[str, Any]], *, link: str, parent: int) -> bool:
    """Add the exception of one block, and the members of a group; return False if there is no exception."""
    start = next((index for index, line in enumerate(lines) if _FIRST_MEMBER.match(line)), len(lines))
    frames, rest = _frames_of([_MARGIN.sub("", line, count=1) for line in lines[:start]])
    match = _EXCEPTION.fullmatch("\n".join(rest).strip("\n"))
    if match is None:
        return False
    place = len(found)
    kind, value, is_group = match["type"], match["value"] or "", start < len(lines)
    found.append(exception(kind, value, frames, place=place, link=link, parent=parent, is_group=is_group))
    members: list[list[str]] = []
    for line in lines[start:]:
        if _FIRST_MEMBER.match(line) or _NEXT_MEMBER.match(line):
            members.append([])
        else:
            members[-1].append(line[2:])
    for member in members:
        _add(member, found, link="member", parent=place)
    return True


def _frames_of(lines: list[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the frames of a block, and the lines after them: the exception's type and value."""
    frames: list[dict[str, Any]] = []
    start = 0
    while start < len(lines) and lines[start].strip() in {"", _HEADER, _GROUP_HEADER}:
        start += 1
    for index in range(start, len(lines)):
        line = lines[index]
        match = _FRAME.fullmatch(line)
        if match and match["function"] is not None:
            frames.append(_frame(match["file"], int(match["line"]), match["function"]))
        elif repeated := _REPEATED.fullmatch(line):
            frames += frames[-1:] * min(int(repeated[1]), _MAX_FRAMES)
        elif line and not line.startswith(" "):
            return frames[-_MAX_FRAMES:], lines[index:]
        elif frames and "context_line" not in frames[-1] and not _MARKS.fullmatch(line):
            frames[-1]["context_line"] = line.removeprefix("    ")
    return frames[-_MAX_FRAMES:], []


def _frame(path: str, line: int, function: str) -> dict[str, Any]:
    module = _module_of(path, len(sys.modules))
    return {
        "platform": "python",
        "filename": _filename(module, path),
        "abs_path": os.path.abspath(path),  # noqa: PTH100  # does not follow links
        "function": function,
        "module": module,
        "lineno": line,
        "in_app": not (
            re.search(r"[\\/](?:dist|site)-packages[\\/]", path)
            or path.startswith((_STANDARD_LIBRARY, "<frozen "))
        ),
    }


@lru_cache(256)
def _module_of(path: str, _: int) -> str | None:
    """Return the name of the loaded module whose file is `path`, without running code of any module."""
    return next((name for name, module in list(sys.modules.items()) if _file_of(module) == path), None)


def _file_of(module: object) -> object:
    try:
        return object.__getattribute__(module, "__dict__").get("__file__")
    except Exception:  # noqa: BLE001  # `sys.modules` may contain any object
        return None


def _filename(module: str | None, path: str) -> str:
    """Return `path` from the module's top-level package on; PostHog groups exceptions by this name."""
    if module is None:
        return path
    package = module.partition(".")[0]
    if package == module:
        return path.rpartition(os.sep)[2]
    root = _file_of(sys.modules.get(package))
    return path.split(root.rsplit(os.sep, 2)[0], 1)[-1].lstrip(os.sep) if isinstance(root, str) else path


def _split_type(written: str) -> tuple[str | None, str]:
    """Return the module and the qualified name of a type in a traceback; None instead of `builtins`."""
    parts = written.split(".")
    for end in range(min(len(parts) - 1, _MAX_MODULE_PARTS), 0, -1):
        name = ".".join(parts[:end])
        if name in sys.modules:
            return (None if name == "builtins" else name), ".".join(parts[end:])
    start = next((index for index, part in enumerate(parts) if part[:1].isupper()), len(parts) - 1)
    if "<locals>" in parts:
        start = max(parts.index("<locals>") - 1, 0)
    return ".".join(parts[:start]) or None, ".".join(parts[start:])
