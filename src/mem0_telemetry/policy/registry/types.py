# SPDX-License-Identifier: Apache-2.0
"""The closed types that an attribute may have. None of them takes free text.

A type reads only exact built-in types and a bounded part of a value, so it never runs a value's code and never raises.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple, TypeAlias

AttributeValue: TypeAlias = bool | int | float | str | tuple[str, ...]

_LONGEST_TEXT = 200
"""The longest text that is read. Hashing a longer one would cost the caller time, and no declared text is longer."""

_LONGEST_LIST = 100
"""The number of items of a list that are read."""


class Type(NamedTuple):
    """A closed type. Each function below makes one, and its docstring describes the values that it selects."""

    words: str
    """The possible values, in words, as Markdown."""
    select: Callable[[object], AttributeValue | None]
    """Returns the value to send for a given value, or None if it may not be sent."""
    texts: tuple[str, ...] = ()
    """The declared texts of an enum, followed by `other` or `custom`; empty for any other type."""


def one_of(*values: str | int, words: str = "") -> Type:
    """Make a type of some declared values, all of one built-in type; other values are left out."""
    declared, kind = frozenset(values), type(values[0])

    def select(value: object) -> AttributeValue | None:
        return value if type(value) is kind and value in declared else None

    return Type(words or ("one of " if len(values) > 1 else "") + _quoted(values), select)


BOOL = one_of(True, False, words="`true` or `false`")
MARK = one_of(True, words="`true`, or absent")
"""`True` if it applies, otherwise absent."""


def whole_number(low: int, high: int) -> Type:
    """Make a type of the `int`s from `low` to `high`; other values are left out."""

    def select(value: object) -> AttributeValue | None:
        return value if type(value) is int and low <= value <= high else None

    return Type(f"whole number, {low} to {high}", select)


def up_to(*bounds: int) -> Type:
    """Make a type of sizes: an `int` is rounded up to the next bound, or down to the last bound if it is larger.

    An exact size, fixed in an application's code, would link its installations. Other values, and those below 1, are
    left out.
    """

    def select(value: object) -> AttributeValue | None:
        if type(value) is not int or value < 1:
            return None
        return bounds[bisect_left(bounds, value, 0, len(bounds) - 1)]

    return Type(f"one of {_quoted(bounds)}; rounded up", select)


def rate(*, decimals: int) -> Type:
    """Make a type of the numbers from 0 to 1, rounded; other values, including NaN, are left out."""

    def select(value: object) -> AttributeValue | None:
        if (type(value) is float or type(value) is int) and 0 <= value <= 1:
            return _rounded(value, decimals)
        return None

    return Type(f"number, 0 to 1, to {decimals} decimal{'s' if decimals > 1 else ''}", select)


def enum(*values: str, other: str = "other") -> Type:
    """Make a type of some declared texts; any other text becomes `other`, and other values are left out."""
    return _enum((*values, other), lambda _: other)


def class_path(*, versioned: Iterable[str], versions: Type, plain: Iterable[str]) -> Type:
    """Make an enum of class paths, some with an API version. Unknown versions become `other`, other texts `custom`."""
    beginnings = tuple(f"{path}." for path in versioned)

    def undeclared(value: str) -> str:
        beginning = next((each for each in beginnings if value.startswith(each)), None)
        return f"{beginning}other" if beginning else "custom"

    paths = (f"{beginning}{version}" for beginning in beginnings for version in versions.texts)
    return _enum((*paths, *plain, "custom"), undeclared)


def _enum(texts: tuple[str, ...], undeclared: Callable[[str], str]) -> Type:
    declared = frozenset(texts)

    def select(value: object) -> AttributeValue | None:
        if type(value) is not str:
            return None
        if len(value) > _LONGEST_TEXT:
            return texts[-1]
        return value if value in declared else undeclared(value)

    return Type(f"one of {_quoted(texts)}", select, texts)


def enum_set(*values: str) -> Type:
    """Make a type of lists and tuples of declared texts: each text once, in the caller's order.

    All other items together become one `other` at the end. An empty list and other values are left out.
    """
    declared, texts = frozenset(values), (*values, "other")

    def select(value: object) -> AttributeValue | None:
        if type(value) is not list and type(value) is not tuple:
            return None
        selected: dict[str, None] = {}
        other = len(value) > _LONGEST_LIST
        for item in value[:_LONGEST_LIST]:
            if type(item) is str and len(item) <= _LONGEST_TEXT and item in declared:
                selected[item] = None
            else:
                other = True
        return (*selected, "other") if other else tuple(selected) or None

    return Type(f"list of {_quoted(texts)}", select, texts)


def version(*, parts: int) -> Type:
    """Make a type of versions: at most `parts` numbers separated by dots, and `a`, `b`, `rc` or `.dev` with a number.

    Text after the version is cut off; a text that does not begin with a version is left out.
    """

    def select(value: object) -> AttributeValue | None:
        return _version(value, parts) if type(value) is str and len(value) <= _LONGEST_TEXT else None

    return Type(f"version, at most {parts} numbers", select)


def _select_uuid(value: object) -> AttributeValue | None:
    return value if type(value) is str and _UUID.fullmatch(value) else None


UUID = Type("random UUID", _select_uuid)
"""A UUID in its canonical lower-case form."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_RELEASE = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})*(?=\.*([^0-9.]|$))")
_PRE_RELEASE = re.compile(r"(a|b|rc|\.dev)[0-9]{1,6}(?![0-9])")


@lru_cache(maxsize=64)  # a process uses few rates, one in every event
def _rounded(value: float, decimals: int) -> float:
    return round(float(value), decimals)


@lru_cache(maxsize=64)  # a process uses few versions, each in every record
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
