# SPDX-License-Identifier: Apache-2.0
"""The closed types that an attribute may have. None of them takes free text.

A type looks at exact built-in types only and at a bounded part of the value, so no code of the value is ever
run, and it never raises.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from functools import lru_cache
from typing import TypeAlias

AttributeValue: TypeAlias = bool | int | float | str | tuple[str, ...]

_LONGEST_TEXT = 200
"""Longest text that is looked at: hashing a longer one would cost the caller, and none is ever declared."""

_LONGEST_LIST = 100
"""Items of a list that are looked at."""


class Type:
    """Base of the closed types.

    Args:
        words: which values there are, in Markdown.
    """

    def __init__(self, words: str) -> None:
        self._words = words

    def take(self, value: object) -> AttributeValue | None:
        """Return `value` as it may be sent, or None where it may not."""
        raise NotImplementedError

    def describe(self) -> str:
        """Return in words, in Markdown, which values there are."""
        return self._words


class OneOf(Type):
    """One of some declared values, all of one built-in type."""

    def __init__(self, *values: str | int, words: str = "") -> None:
        super().__init__(words or ("one of " if len(values) > 1 else "") + _quoted(values))
        self._values = frozenset(values)
        self._kind = type(values[0])

    def take(self, value: object) -> AttributeValue | None:
        """Return a declared value as it is; anything else is left out."""
        return value if type(value) is self._kind and value in self._values else None


BOOL = OneOf(True, False, words="`true` or `false`")
MARK = OneOf(True, words="`true`, or absent")
"""`True` where it applies, and absent where it does not."""


class Int(Type):
    """A whole number between two bounds, both included."""

    def __init__(self, low: int, high: int) -> None:
        super().__init__(f"whole number, {low} to {high}")
        self._low, self._high = low, high

    def take(self, value: object) -> AttributeValue | None:
        """Return an `int` within the bounds; anything else is left out."""
        return value if type(value) is int and self._low <= value <= self._high else None


class UpTo(Type):
    """A size, as the smallest of some bounds that is not less than it.

    An application fixes a size in its code, so an exact one would link its installations.
    """

    def __init__(self, *bounds: int) -> None:
        super().__init__(f"one of {_quoted(bounds)}; rounded up")
        self._bounds = bounds

    def take(self, value: object) -> AttributeValue | None:
        """Return the bound of an `int` from 1 on, the last one for anything larger; anything else is left out."""
        if type(value) is not int or value < 1:
            return None
        return self._bounds[bisect_left(self._bounds, value, 0, len(self._bounds) - 1)]


class Rate(Type):
    """A share between 0 and 1, rounded to so many decimals."""

    def __init__(self, *, decimals: int) -> None:
        super().__init__(f"number, 0 to 1, to {decimals} decimal{'s' if decimals > 1 else ''}")
        self._decimals = decimals

    def take(self, value: object) -> AttributeValue | None:
        """Return a number from 0 to 1, rounded; anything else, not-a-number included, is left out."""
        if (type(value) is float or type(value) is int) and 0 <= value <= 1:
            return _rounded(value, self._decimals)
        return None


class Enum(Type):
    """One of the declared texts; any other text becomes `other` (or `custom`)."""

    def __init__(self, *values: str, other: str = "other") -> None:
        self.values = (*values, other)
        super().__init__(f"one of {_quoted(self.values)}")
        self._other = other
        self._declared = frozenset(self.values)

    def take(self, value: object) -> AttributeValue | None:
        """Return a declared text as it is and any other text as `other`; what is no text is left out."""
        if type(value) is not str:
            return None
        if len(value) > _LONGEST_TEXT:
            return self._other
        return value if value in self._declared else self._undeclared(value)

    def _undeclared(self, _: str) -> str:
        return self._other


class ClassPath(Enum):
    """The path of a declared class, followed by a declared API version where it has one; else `custom`."""

    def __init__(self, *, versioned: Iterable[str], versions: Enum, plain: Iterable[str]) -> None:
        self.versions = versions
        self._versioned = tuple(f"{path}." for path in versioned)
        combined = (f"{path}{version}" for path in self._versioned for version in versions.values)
        super().__init__(*combined, *plain, other="custom")

    def _undeclared(self, value: str) -> str:
        """Return what a path becomes that is not declared: one of an unknown version ends in `other`."""
        for path in self._versioned:
            if value.startswith(path):
                return f"{path}other"
        return self._other


class EnumSet(Type):
    """Some of the declared texts, each once, in the caller's order; all others are one `other` at the end."""

    def __init__(self, *values: str) -> None:
        self.values = (*values, "other")
        super().__init__(f"list of {_quoted(self.values)}")
        self._declared = frozenset(values)

    def take(self, value: object) -> AttributeValue | None:
        """Return the declared texts of a list or tuple; an empty one, and anything else, is left out."""
        if type(value) is not list and type(value) is not tuple:
            return None
        taken: dict[str, None] = {}
        other = len(value) > _LONGEST_LIST
        for item in value[:_LONGEST_LIST]:
            if type(item) is str and len(item) <= _LONGEST_TEXT and item in self._declared:
                taken[item] = None
            else:
                other = True
        return (*taken, "other") if other else tuple(taken) or None


class Version(Type):
    """At most so many numbers separated by dots; `a`, `b`, `rc` or `.dev` with a number may follow."""

    def __init__(self, *, parts: int) -> None:
        super().__init__(f"version, at most {parts} numbers")
        self._parts = parts

    def take(self, value: object) -> AttributeValue | None:
        """Return the part of a text that is a version, without local suffixes; else it is left out."""
        return _version(value, self._parts) if type(value) is str and len(value) <= _LONGEST_TEXT else None


class Uuid(Type):
    """A UUID in its canonical lower-case form."""

    def __init__(self) -> None:
        super().__init__("random UUID")

    def take(self, value: object) -> AttributeValue | None:
        """Return a UUID as it is; anything else is left out."""
        return value if type(value) is str and _UUID.fullmatch(value) else None


_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_RELEASE = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})*(?=\.*([^0-9.]|$))")
_PRE_RELEASE = re.compile(r"(a|b|rc|\.dev)[0-9]{1,6}(?![0-9])")


@lru_cache(maxsize=64)  # a process meets a few rates, one in every event
def _rounded(value: float, decimals: int) -> float:
    return round(float(value), decimals)


@lru_cache(maxsize=64)  # a process meets a few versions, each in every record
def _version(text: str, parts: int) -> str | None:
    release = _RELEASE.match(text)
    if release is None:
        return None
    numbers = release[0].split(".")
    if len(numbers) > parts:
        return ".".join(numbers[:parts])
    pre_release = _PRE_RELEASE.match(text, release.end())
    return release[0] + (pre_release[0] if pre_release else "")


def _quoted(values: Iterable[object]) -> str:
    return ", ".join(f"`{str(value).lower() if type(value) is bool else value}`" for value in values)
