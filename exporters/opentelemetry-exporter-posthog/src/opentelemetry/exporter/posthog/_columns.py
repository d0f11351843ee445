"""One attribute key with values of one type, encoded: with a memory of the first few values, or without."""

from __future__ import annotations

from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_VALUES: Final = 64
_MAX_LENGTH: Final = 256


class Unremembered:
    """One attribute key with values that are encoded each time, or never sent."""

    __slots__ = ("_encode", "_start")

    def __init__(self, start: str, encode_value: Callable[[Any], str]) -> None:
        self._start = start
        self._encode = encode_value

    def __getitem__(self, value: object) -> str:
        return f"{self._start}{self._encode(value)}," if self._start else ""


class Texts(Unremembered):
    """The same for texts that may be URLs at most as a whole: most are short, and nothing is to be done to them."""

    __slots__ = ()

    def __getitem__(self, value: Any) -> str:
        if len(value) <= _MAX_LENGTH and value.isascii() and "\0" not in value and ":" not in value:
            return f"{self._start}{encode_basestring(value)},"
        return super().__getitem__(value)


class Column(dict[Any, str]):
    """One attribute key with values of one type, and the members they make; the first few are remembered."""

    __slots__ = ("_encode", "_start", "misses")

    def __init__(self, start: str, encode_value: Callable[[Any], str]) -> None:
        self._start = start
        self._encode = encode_value
        self.misses = 0

    def __missing__(self, value: object) -> str:
        self.misses += 1
        text = f"{self._start}{self._encode(value)},"
        if len(self) < _MAX_VALUES and len(text) <= _MAX_LENGTH and is_itself(value):
            self[value] = text
        return text

    def without_memory(self, kind: type[Unremembered]) -> Unremembered:
        """Return what encodes the same each time."""
        return kind(self._start, self._encode)


def is_itself(value: object) -> bool:
    """Return whether whatever equals `value` reads the same: not so (1,) and (True,), 0.0 and -0.0."""
    if isinstance(value, tuple):
        return all(type(item) is str for item in value)
    return not isinstance(value, float) or value != 0
