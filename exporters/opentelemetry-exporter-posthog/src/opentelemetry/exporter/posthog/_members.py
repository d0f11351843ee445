# SPDX-License-Identifier: Apache-2.0
"""Encode attributes as the members of a JSON object.

Records of one event type have the same keys, and most keys have few different values. So the encoder analyses each
set of keys and value types (a shape) once, and caches the first few encoded values of each key.
"""

from __future__ import annotations

from functools import lru_cache
from json.encoder import encode_basestring
from operator import getitem
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.exporter.posthog._check import BOOLEANS, PERSON_KEYS
from opentelemetry.exporter.posthog._conventions import is_special
from opentelemetry.exporter.posthog._json import UNLIMITED, clean, clean_name, encode, encoder_of, to_json
from opentelemetry.exporter.posthog._redact import URLS, clean_relative_url, clean_urls, is_private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from opentelemetry.exporter.posthog._settings import MappingOptions

_LEFT_OUT: Final = frozenset(
    {
        *("", "service.instance.id", "capture_internal"),
        *("otel.status_description", "code.stacktrace", "exception.message", "exception.stacktrace"),
    }
)
"""Sent only if `property_names` maps them: an id that the SDK generates for each process, texts that quote
exceptions, and a switch that PostHog itself reads."""
_EXCEPTION_KEYS: Final = frozenset({"$exception_list", "$exception_level"})
_EMPTY_NAMES: Final[frozenset[str]] = frozenset()
_MAX_SHAPES: Final = 2048
_MAX_COLUMNS: Final = 8192
MAX_KEYS: Final = 128
_MAX_VALUES: Final = 64
_MAX_LENGTH: Final = 256
_PERIOD: Final = 2048
"""Records between two reviews of the caches."""
_REMEMBERED: Final = frozenset({str, bool, int, float, type(None), tuple})
"""Types to cache, in one column for each type, because 1 == True == 1.0. Other types are mutable or rare."""
_WITHOUT_URLS: Final = frozenset({bool, int, float, type(None), bytes})

Members = tuple[str, frozenset[str], tuple[str, ...]]
"""The members of an object as text, `"name":value,` for each (the caller removes the last comma); their names; and
the keys of the special attributes, which are not members."""

_Shape = tuple[tuple["_Column | _Remembered", ...], frozenset[str], tuple[str, ...]]
"""For records with the same keys and value types: a column for each key, the names, and the special keys."""


class MemberEncoder:
    """Encodes attributes as the options specify. Thread-safe: threads share caches, as equal input has equal JSON."""

    def __init__(self, options: MappingOptions) -> None:
        self._options = options
        self._names = dict(options.property_names)
        self._shape = lru_cache(_MAX_SHAPES)(self._build_shape)
        self._columns: dict[tuple[str, type], _Column | _Remembered] = {}
        self._encoded = 0

    def encode(self, attributes: Mapping[Any, Any]) -> Members:
        """Encode `attributes` in their order; if two have the same property name, the later one counts."""
        if not attributes:
            return "", _EMPTY_NAMES, ()
        values = attributes.values()
        shape = len(values) <= MAX_KEYS and self._shape(*attributes, *map(type, values))
        if shape:
            columns, names, special = shape
            try:
                return "".join(map(getitem, columns, values)), names, special
            except TypeError:  # a tuple that holds an unhashable value cannot be looked up
                tuples = {key: value for key, value in attributes.items() if type(value) is tuple}
                self._forget([(key, tuple) for key, value in tuples.items() if not _has_one_encoding(value)])
        return joined(self.encode_each(attributes), self.special_keys(attributes))

    def encode_each(self, attributes: Mapping[Any, Any], *, limit: int = UNLIMITED) -> dict[str, str]:
        """Encode `attributes` without the caches, cut to `limit` (see `clean`); return the members by name."""
        members = {}
        for key, value in attributes.items():
            name = self.name_of(key)
            if name and (name not in BOOLEANS or isinstance(value, bool)):
                if limit == UNLIMITED:
                    text = self._encoder(key, name, type(value))(value)
                else:
                    text = to_json(self._cleaned(key, name, value), limit=limit)
                members[name] = f"{encode(name)}:{text},"
        return members

    def special_keys(self, attributes: Iterable[Any]) -> tuple[str, ...]:
        """Return the keys of the special attributes."""
        return tuple(key for key in attributes if isinstance(key, str) and self._is_special(key))

    def name_of(self, key: object) -> str:
        """Return the property name for an attribute key; empty if the attribute is not sent."""
        text = key if isinstance(key, str) else str(clean(key))
        mapped = self._names.get(text)
        if mapped is not None:
            is_refused = mapped in _EXCEPTION_KEYS or (
                mapped in PERSON_KEYS and not self._options.person_profiles
            )
            return "" if is_refused else clean_name(mapped)
        if (
            text.startswith("$")
            or text in _LEFT_OUT
            or (self._options.redact and is_private(text))
            or self._is_special(text)
        ):
            return ""
        return clean_name(text)

    def review(self, encoded: int) -> None:
        """Add `encoded` records; stop caching attributes whose values are mostly new, such as unique texts."""
        self._encoded += encoded
        if self._encoded < _PERIOD:
            return
        columns = list(self._columns.items())  # another thread may add one
        remembered = {key: column for key, column in columns if isinstance(column, _Remembered)}
        self._forget([key for key, column in remembered.items() if column.misses > self._encoded // 2])
        for column in remembered.values():
            column.misses = 0
        self._encoded = 0

    def _is_special(self, key: str) -> bool:
        return self._options.conventions and key not in self._names and is_special(key)

    def _build_shape(self, *keys_and_types: Any) -> _Shape | None:
        """Return a new shape, or None if the attributes must be encoded one by one."""
        half = len(keys_and_types) // 2  # keys, then types of values: one flat tuple is looked up faster
        keys, types = keys_and_types[:half], keys_and_types[half:]
        names = [name for name in map(self.name_of, keys) if name]
        if (
            any(type(key) is not str for key in keys)
            or len(set(names)) < len(names)
            or not BOOLEANS.isdisjoint(names)
        ):
            return None
        return tuple(map(self._column, keys, types)), frozenset(names), self.special_keys(keys)

    def _column(self, key: str, kind: type) -> _Column | _Remembered:
        column = self._columns.get((key, kind))
        if column is None:
            if len(self._columns) >= _MAX_COLUMNS:
                self._columns.clear()
            name = self.name_of(key)
            build = _Remembered if name and kind in _REMEMBERED else _Column
            column = build(f"{encode(name)}:" if name else "", self._encoder(key, name, kind))
            self._columns[key, kind] = column
        return column

    def _forget(self, keys: Sequence[tuple[str, type]]) -> None:
        """Replace columns with columns that cache nothing."""
        for key, kind in keys:
            column = self._columns.get((key, kind))
            if isinstance(column, _Remembered):
                # An empty column has only seen texts that are too long to cache.
                quick = kind is str and len(column) > 0 and URLS.isdisjoint({key, self.name_of(key)})
                build = _Texts if quick else _Column
                self._columns[key, kind] = build(column.start, column.encode)
        if keys:
            self._shape.cache_clear()

    def _encoder(self, key: object, name: str, kind: type) -> Callable[[Any], str]:
        """Return the function that encodes the values of one type of one attribute."""
        plain = encoder_of(kind)
        if not self._options.redact or kind in _WITHOUT_URLS:
            return plain
        if name in URLS or key in URLS:
            return lambda value: to_json(self._cleaned(key, name, value))
        return lambda value: (
            text if "://" not in (text := plain(value)) else to_json(clean_urls(clean(value)))
        )

    def _cleaned(self, key: object, name: str, value: object) -> object:
        if not self._options.redact:
            return value
        if isinstance(value, str) and (name in URLS or key in URLS):
            return clean_relative_url(value)
        return clean_urls(clean(value))


class _Column:
    """Encodes the values of one type of one attribute key as members; as empty text if the key is not sent."""

    def __init__(self, start: str, encode_value: Callable[[Any], str]) -> None:
        self.start = start
        self.encode = encode_value

    def __getitem__(self, value: Any) -> str:
        return f"{self.start}{self.encode(value)}," if self.start else ""


class _Texts(_Column):
    """A column of texts with a fast path: plain ASCII without a colon is no URL and needs no cleaning."""

    def __getitem__(self, value: str) -> str:
        if ":" not in value and value.isascii() and "\0" not in value:
            return f"{self.start}{encode_basestring(value)},"
        return f"{self.start}{self.encode(value)},"


class _Remembered(dict[Any, str]):
    """A column that caches the first few members, except long ones."""

    __slots__ = ("encode", "misses", "start")

    def __init__(self, start: str, encode_value: Callable[[Any], str]) -> None:
        self.start = start
        self.encode = encode_value
        self.misses = 0

    def __missing__(self, value: Any) -> str:
        self.misses += 1
        text = f"{self.start}{self.encode(value)},"
        if len(self) < _MAX_VALUES and len(text) <= _MAX_LENGTH and _has_one_encoding(value):
            self[value] = text
        return text


def _has_one_encoding(value: Any) -> bool:
    """Return whether all values of the type that equal `value` have its JSON: not 0.0 and -0.0, (1,) and (True,)."""
    kind = type(value)
    return all(type(item) is str for item in value) if kind is tuple else bool(value) or kind is not float


def joined(members: Mapping[str, str], special: tuple[str, ...] = ()) -> Members:
    """Join the texts of members."""
    return "".join(members.values()), frozenset(members), special
