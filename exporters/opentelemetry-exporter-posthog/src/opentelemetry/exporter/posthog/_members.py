# SPDX-License-Identifier: Apache-2.0
"""Attributes as the members of a JSON object.

Records of one kind of event have the same keys, and mostly the same few values. So what is known about a set
of keys (their shape) is worked out once, and of each key the first few values are encoded once.
"""

from __future__ import annotations

from functools import lru_cache
from json.encoder import encode_basestring
from operator import getitem
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.exporter.posthog._check import BOOLEANS, OF_PERSONS
from opentelemetry.exporter.posthog._conventions import is_meant
from opentelemetry.exporter.posthog._json import UNLIMITED, clean, clean_name, encode, encoder_of, to_json
from opentelemetry.exporter.posthog._redact import URLS, clean_relative_url, clean_url, clean_urls, is_private

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.exporter.posthog._settings import MappingOptions

_LEFT_OUT: Final = frozenset(
    {
        *("", "service.instance.id", "capture_internal"),
        *("otel.status_description", "code.stacktrace", "exception.message", "exception.stacktrace"),
    }
)
"""Sent only where mapped: an id that the SDK makes up for each process, texts that quote exceptions, and a
switch of PostHog's own."""
_OF_EXCEPTIONS: Final = frozenset({"$exception_list", "$exception_level"})
_MAX_SHAPES: Final = 2048
_MAX_COLUMNS: Final = 8192
MAX_KEYS: Final = 128
_MAX_VALUES: Final = 64
_MAX_LENGTH: Final = 256
_PERIOD: Final = 2048
"""Records after which it is looked at what the memory is good for."""
_WITHOUT_URLS: Final = frozenset({bool, int, float, type(None), bytes})


Members = tuple[str, frozenset[str], tuple[str, ...]]
"""Members of an object: `"name":value,` one after the other (who closes the object cuts the last comma), the names
in it, and the keys of attributes that are none of them, because they have a meaning of their own."""


class MemberEncoder:
    """Encodes attributes. Thread-safe: what threads share is memory of what is always encoded the same.

    Args:
        options: how attributes are named, and which of them are left out, cleaned or have a meaning.
    """

    def __init__(self, options: MappingOptions) -> None:
        self._names = dict(options.property_names)
        self._redact = options.redact
        self._conventions = options.conventions
        self._person_profiles = options.person_profiles
        self._shape = lru_cache(_MAX_SHAPES)(self._learn)
        self._columns: dict[tuple[str, type], _Column | _Remembered] = {}
        self._unique: set[tuple[str, type]] = set()
        self._encoded = 0

    def encode(self, attributes: Mapping[Any, Any]) -> Members:
        """Encode `attributes`, in their order; of two with one name the later counts."""
        if len(attributes) <= MAX_KEYS:
            values = attributes.values()
            shape = self._shape(tuple(attributes), tuple(map(type, values)))
            if shape is not None:
                return "".join(map(getitem, shape.columns, values)), shape.names, shape.meant
        return joined(self.encode_each(attributes), self.meant(attributes))

    def encode_each(self, attributes: Mapping[Any, Any], *, most: int = UNLIMITED) -> dict[str, str]:
        """Encode `attributes` one by one, values cut as `most` says; return each member by its name."""
        members = {}
        for key, value in attributes.items():
            name = self.name_of(key)
            if not name:
                continue
            if most == UNLIMITED or name in BOOLEANS:
                text = self._encoder(key, name, type(value))(value)
            else:
                text = to_json(self._cleaned(key, name, value), most=most)
            if text:
                members[name] = f"{encode(name)}:{text},"
        return members

    def meant(self, attributes: Mapping[Any, Any]) -> tuple[str, ...]:
        """Return the keys of attributes that have a meaning of their own."""
        return tuple(key for key in attributes if isinstance(key, str) and self._is_meant(key))

    def name_of(self, key: object) -> str:
        """Return the name of the property for an attribute key, empty where it is not sent."""
        text = key if isinstance(key, str) else str(clean(key))
        mapped = self._names.get(text)
        if mapped is not None:
            is_refused = mapped in _OF_EXCEPTIONS or (mapped in OF_PERSONS and not self._person_profiles)
            return "" if is_refused else clean_name(mapped)
        if (
            text.startswith("$")
            or text in _LEFT_OUT
            or (self._redact and is_private(text))
            or self._is_meant(text)
        ):
            return ""
        return clean_name(text)

    def _is_meant(self, key: str) -> bool:
        return self._conventions and key not in self._names and is_meant(key)

    def _encoder(self, key: object, name: str, kind: type) -> Callable[[Any], str]:
        """Return what encodes the values of one type of one attribute; an empty text leaves one out."""
        if name in BOOLEANS:
            return encoder_of(bool) if kind is bool else _nothing
        plain = encoder_of(kind)
        if not self._redact or kind in _WITHOUT_URLS:
            return plain
        if name in URLS or key in URLS:
            return lambda value: to_json(self._cleaned(key, name, value))
        if kind is str:
            # One character is found many times faster than three.
            return lambda value: plain(clean_url(value) if ":" in value and "://" in value else value)
        return lambda value: (
            text if "://" not in (text := plain(value)) else to_json(clean_urls(clean(value)))
        )

    def _cleaned(self, key: object, name: str, value: object) -> object:
        if not self._redact:
            return value
        if isinstance(value, str) and (name in URLS or key in URLS):
            return clean_relative_url(value)
        return clean_urls(clean(value))

    def _learn(self, keys: tuple[Any, ...], types: tuple[type, ...]) -> _Shape | None:
        """Work out a shape; None where its attributes have to be looked at one by one."""
        names = [name for name in map(self.name_of, keys) if name]
        if (
            any(type(key) is not str for key in keys)
            or len(set(names)) < len(names)
            or not BOOLEANS.isdisjoint(names)
        ):
            return None
        return _Shape(
            tuple(map(self._column, keys, types)), frozenset(names), self.meant(dict.fromkeys(keys))
        )

    def _column(self, key: str, kind: type) -> _Column | _Remembered:
        column = self._columns.get((key, kind))
        if column is None:
            name = self.name_of(key)
            build = _COLUMNS.get(kind, _Column) if name else _Column
            if (key, kind) in self._unique:
                build = _Texts if kind is str and not (name in URLS or key in URLS) else _Column
            if len(self._columns) >= _MAX_COLUMNS:
                self._columns.clear()
                self._unique.clear()
            column = build(f"{encode(name)}:" if name else "", self._encoder(key, name, kind))
            self._columns[key, kind] = column
        return column

    def review(self, encoded: int) -> None:
        """Look up no more what is mostly new, such as texts that are unique: that costs, and finds nothing.

        Args:
            encoded: how many records were encoded since this was last called.
        """
        self._encoded += encoded
        if self._encoded < _PERIOD:
            return
        for key, column in list(self._columns.items()):
            if isinstance(column, _Remembered):
                if column.misses > self._encoded // 2:
                    self._unique.add(key)
                    self._columns.pop(key, None)
                    self._shape.cache_clear()
                column.misses = 0
        self._encoded = 0


class _Column:
    """One attribute key with values of one type, and the members that they make; none where nothing is sent."""

    def __init__(self, start: str, encode_value: Callable[[Any], str]) -> None:
        self._start = start
        self._encode = encode_value

    def __getitem__(self, value: Any) -> str:
        return f"{self._start}{self._encode(value)}," if self._start else ""


class _Tuples(_Column):
    """Remembers the first few tuples of texts; one that holds something mutable cannot be looked up."""

    def __init__(self, start: str, encode_value: Callable[[Any], str]) -> None:
        super().__init__(start, encode_value)
        self._known: dict[tuple[str, ...], str] = {}

    def __getitem__(self, value: tuple[Any, ...]) -> str:
        try:
            text = self._known.get(value)
        except TypeError:
            text = None
        if text is None:
            text = super().__getitem__(value)
            # Only these: (1,) equals (True,), but does not read the same.
            if (
                len(text) <= _MAX_LENGTH
                and len(self._known) < _MAX_VALUES
                and all(type(item) is str for item in value)
            ):
                self._known[value] = text
        return text


class _Texts(_Column):
    """Texts that may be URLs at most as a whole: most are short, and nothing is to be done to them."""

    def __getitem__(self, value: str) -> str:
        if len(value) <= _MAX_LENGTH and value.isascii() and "\0" not in value and ":" not in value:
            return f"{self._start}{encode_basestring(value)},"
        return super().__getitem__(value)


class _Remembered(dict[Any, str]):
    """Remembers the first few values that are not long."""

    __slots__ = ("_encode", "_start", "misses")

    def __init__(self, start: str, encode_value: Callable[[Any], str]) -> None:
        self._start = start
        self._encode = encode_value
        self.misses = 0

    def __missing__(self, value: Any) -> str:
        self.misses += 1
        text = f"{self._start}{self._encode(value)},"
        if len(self) < _MAX_VALUES and len(text) <= _MAX_LENGTH and (value or type(value) is not float):
            self[value] = text  # not 0.0, which equals -0.0
        return text


_COLUMNS: Final[dict[type, type[_Column | _Remembered]]] = {
    tuple: _Tuples,
    **dict.fromkeys((str, bool, int, float, type(None)), _Remembered),
}
"""One column a type, because 1 == True == 1.0; values of all other types can change, or are rare."""


def _nothing(_: object) -> str:
    return ""


class _Shape(NamedTuple):
    """What is known about records with the same keys and types of values."""

    columns: tuple[_Column | _Remembered, ...]
    names: frozenset[str]
    meant: tuple[str, ...]


def joined(members: Mapping[str, str], meant: tuple[str, ...] = ()) -> Members:
    """Put members together."""
    return "".join(members.values()), frozenset(members), meant
