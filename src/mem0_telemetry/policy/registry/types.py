"""The closed types that an attribute may have. None of them takes free text.

`take(value)` answers the value as it may be sent, or None where it may not. It looks at exact built-in types
only and at a bounded part of the value, so no code of the value is ever run, and it never raises.
"""

from __future__ import annotations

from mem0_telemetry.base.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol, TypeAlias

    AttributeValue: TypeAlias = bool | int | float | str | tuple[str, ...]

    class Type(Protocol):
        """What every closed type answers."""

        def take(self, value: object) -> AttributeValue | None:
            """Answer `value` as it may be sent, or None."""

        def describe(self) -> str:
            """Say in words, in Markdown, which values there are."""


_LONGEST_TEXT = 200
"""Longest text that is looked at: hashing a longer one would cost the caller, and none is ever declared."""

_LONGEST_LIST = 100
"""Items of a list that are looked at."""

_LARGEST_MEMO = 64
"""Values of which a result is remembered: a process meets one or two."""


class Bool(Frozen):
    """True or false."""

    __slots__ = ()

    def take(self, value: object) -> AttributeValue | None:
        """Answer a `bool` as it is; anything else is left out."""
        return value if type(value) is bool else None

    def describe(self) -> str:
        """Say in words which values there are."""
        return "`true` or `false`"


class Mark(Frozen):
    """`true` where it applies, and absent where it does not."""

    __slots__ = ()

    def take(self, value: object) -> AttributeValue | None:
        """Answer `True` as it is; anything else is left out."""
        return True if value is True else None

    def describe(self) -> str:
        """Say in words which values there are."""
        return "`true`, or absent"


class Constant(Frozen):
    """One value, always the same."""

    __slots__ = ("value",)
    value: str | bool

    def __init__(self, value: str | bool) -> None:  # noqa: FBT001  # it is no switch
        self._freeze(value=value)

    def take(self, value: object) -> AttributeValue | None:
        """Answer the one value; anything else is left out."""
        return self.value if type(value) is type(self.value) and value == self.value else None

    def describe(self) -> str:
        """Say in words which values there are."""
        return f"`{self.value}`" if type(self.value) is str else f"`{str(self.value).lower()}`"


class Int(Frozen):
    """A whole number between two bounds, both included."""

    __slots__ = ("high", "low")
    low: int
    high: int

    def __init__(self, low: int, high: int) -> None:
        self._freeze(low=low, high=high)

    def take(self, value: object) -> AttributeValue | None:
        """Answer an `int` within the bounds; anything else is left out."""
        return value if type(value) is int and self.low <= value <= self.high else None

    def describe(self) -> str:
        """Say in words which values there are."""
        return f"whole number, {self.low} to {self.high}"


class Rate(Frozen):
    """A share between 0 and 1, rounded to so many decimals."""

    __slots__ = ("_memo", "decimals")
    _memo: dict[float, float]
    decimals: int

    def __init__(self, *, decimals: int) -> None:
        self._freeze(decimals=decimals, _memo={})

    def take(self, value: object) -> AttributeValue | None:
        """Answer a number from 0 to 1, rounded; anything else, not-a-number included, is left out."""
        if type(value) is not float and type(value) is not int:
            return None
        known = self._memo.get(value)
        if known is None and 0 <= value <= 1:
            known = round(float(value), self.decimals)
            if len(self._memo) < _LARGEST_MEMO:
                self._memo[value] = known
        return known

    def describe(self) -> str:
        """Say in words which values there are."""
        return f"number, 0 to 1, to {self.decimals} decimal{'s' * (self.decimals > 1)}"


class Enum(Frozen):
    """One of the declared texts; any other text becomes `other` (or `custom`)."""

    __slots__ = ("_table", "other", "values")
    _table: dict[str, str]
    other: str
    values: tuple[str, ...]

    def __init__(self, *values: str, other: str = "other") -> None:
        declared = (*values, other)
        self._freeze(values=declared, other=other, _table={value: value for value in declared})

    def take(self, value: object) -> AttributeValue | None:
        """Answer a declared text as it is and any other text as `other`; what is no text is left out."""
        if type(value) is not str:
            return None
        return self._table.get(value, self.other) if len(value) <= _LONGEST_TEXT else self.other

    def describe(self) -> str:
        """Say in words which values there are."""
        return "one of " + _quoted(self.values)


class ClassPath(Frozen):
    """The path of a declared class, followed by a declared API version where it has one; else `custom`."""

    __slots__ = ("_table", "_versioned", "values", "versions")
    _table: dict[str, str]
    _versioned: tuple[str, ...]
    values: tuple[str, ...]
    versions: Enum

    def __init__(self, *, versioned: Iterable[str], versions: Enum, plain: Iterable[str]) -> None:
        prefixes = tuple(versioned)
        combined = (f"{prefix}.{version}" for prefix in prefixes for version in versions.values)
        declared = (*combined, *plain, "custom")
        table = {value: value for value in declared}
        self._freeze(values=declared, versions=versions, _versioned=prefixes, _table=table)

    def take(self, value: object) -> AttributeValue | None:
        """Answer a declared path; one of an unknown version ends in `other`, and any other is `custom`."""
        if type(value) is not str:
            return None
        if len(value) > _LONGEST_TEXT:
            return "custom"
        known = self._table.get(value)
        if known is not None:
            return known
        for prefix in self._versioned:
            if value.startswith(f"{prefix}."):
                return f"{prefix}.{self.versions.other}"
        return "custom"

    def describe(self) -> str:
        """Say in words which values there are."""
        return "one of " + _quoted(self.values)


class EnumSet(Frozen):
    """Some of the declared texts, each once, in the caller's order; all others are one `other` at the end."""

    __slots__ = ("_table", "values")
    _table: dict[str, str]
    values: tuple[str, ...]

    def __init__(self, *values: str) -> None:
        self._freeze(values=(*values, "other"), _table={value: value for value in values})

    def take(self, value: object) -> AttributeValue | None:
        """Answer the declared texts of a list or tuple; an empty one, and anything else, is left out."""
        if type(value) is not list and type(value) is not tuple:
            return None
        table = self._table
        taken: dict[str, None] = {}
        other = len(value) > _LONGEST_LIST
        for item in value[:_LONGEST_LIST] if other else value:
            if type(item) is str and len(item) <= _LONGEST_TEXT and item in table:
                taken[table[item]] = None
            else:
                other = True
        return (*taken, "other") if other else tuple(taken) or None

    def describe(self) -> str:
        """Say in words which values there are."""
        return "list of " + _quoted(self.values)


class Version(Frozen):
    """At most so many numbers separated by dots; `a`, `b`, `rc` or `.dev` with a number may follow."""

    __slots__ = ("_memo", "parts")
    _memo: dict[str, str | None]
    parts: int

    def __init__(self, *, parts: int) -> None:
        self._freeze(parts=parts, _memo={})

    def take(self, value: object) -> AttributeValue | None:
        """Answer the part of a text that is a version, without local suffixes; else it is left out."""
        if type(value) is not str or len(value) > _LONGEST_TEXT:
            return None
        if value in self._memo:
            return self._memo[value]
        version = self._parse(value)
        if len(self._memo) < _LARGEST_MEMO:
            self._memo[value] = version
        return version

    def _parse(self, text: str) -> str | None:
        release = _leading(text, "0123456789.").rstrip(".")
        numbers = release.split(".")
        if not all(0 < len(number) <= _LONGEST_NUMBER for number in numbers):
            return None
        if len(numbers) > self.parts:
            return ".".join(numbers[: self.parts])
        return release + _pre_release(text[len(release) :])

    def describe(self) -> str:
        """Say in words which values there are."""
        return f"version, at most {self.parts} numbers"


class Uuid(Frozen):
    """A UUID in its canonical lower-case form."""

    __slots__ = ()

    def take(self, value: object) -> AttributeValue | None:
        """Answer a UUID as it is; anything else is left out."""
        if type(value) is not str or len(value) != _UUID_LENGTH:
            return None
        groups = value.split("-")
        if [len(group) for group in groups] != _UUID_GROUPS:
            return None
        return value if _leading(value, "0123456789abcdef-") == value else None

    def describe(self) -> str:
        """Say in words which values there are."""
        return "random UUID"


_UUID_LENGTH = 36
_UUID_GROUPS = [8, 4, 4, 4, 12]
_LONGEST_NUMBER = 6


def _quoted(values: Iterable[str]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _leading(text: str, characters: str) -> str:
    """Answer the part of `text` before the first character that is not one of `characters`."""
    return text[: len(text) - len(text.lstrip(characters))]


def _pre_release(text: str) -> str:
    for mark in ("a", "b", "rc", ".dev"):
        if text.startswith(mark):
            number = _leading(text[len(mark) :], "0123456789")
            return mark + number if 0 < len(number) <= _LONGEST_NUMBER else ""
    return ""
