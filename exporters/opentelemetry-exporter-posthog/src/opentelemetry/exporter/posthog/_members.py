"""Attributes as the members of a JSON object.

Records of one kind of event have the same keys, and mostly the same few values. So what is known about a set
of keys (their shape) is worked out once, and of each key the first few values are encoded once.
"""

from __future__ import annotations

from operator import getitem
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.exporter.posthog._columns import Column, Texts, Unremembered, is_itself
from opentelemetry.exporter.posthog._conventions import is_meant
from opentelemetry.exporter.posthog._json import UNLIMITED, clean, clean_name, encode, encoder_of, to_json
from opentelemetry.exporter.posthog._redact import (
    clean_relative_url,
    clean_url,
    clean_urls,
    is_private,
    is_url,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.exporter.posthog._options import MappingOptions

_LEFT_OUT: Final = frozenset(
    {
        "",
        "service.instance.id",
        "otel.status_description",
        "capture_internal",
        "code.stacktrace",
        "exception.message",
        "exception.stacktrace",
    }
)
"""Sent only where mapped: an id that the SDK makes up for each process, texts that quote exceptions, and a
switch of PostHog's own."""
_BOOLEANS: Final = frozenset({"$process_person_profile", "$geoip_disable"})
"""PostHog refuses a batch in which these are something else."""
_OF_EXCEPTIONS: Final = frozenset({"$exception_list", "$exception_level"})
OF_PERSONS: Final = frozenset({"$set", "$set_once"})
_MAX_SHAPES: Final = 1024
_MAX_COLUMNS: Final = 8192
_MAX_KEYS: Final = 128
_PERIOD: Final = 2048
"""Records after which it is looked at what the memory is good for."""
_REMEMBERED_TYPES: Final = frozenset({str, bool, int, float, tuple, type(None)})
"""One column a type, because 1 == True == 1.0; all other types can change, or are rare."""


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
        self._shapes: dict[tuple[tuple[Any, ...], tuple[type, ...]], _Shape | None] = {}
        self._earlier_shapes: dict[tuple[tuple[Any, ...], tuple[type, ...]], _Shape | None] = {}
        self._columns: dict[tuple[str, type], Column | Unremembered] = {}
        self._encoded = 0

    def encode(self, attributes: Mapping[Any, Any]) -> Members:
        """Encode `attributes`, in their order; of two with one name the later counts."""
        self._encoded += 1
        if self._encoded > _PERIOD:
            self._review()
        key = tuple(attributes), tuple(map(type, attributes.values()))
        try:
            shape = self._shapes[key]
        except KeyError:
            shape = self._learn(key)
        if shape is not None:
            try:
                return "".join(map(getitem, shape.columns, attributes.values())), shape.names, shape.meant
            except TypeError:  # a tuple that holds something mutable cannot be looked up
                self._forget_tuples(attributes)
        return joined(self.encode_each(attributes), self.meant(attributes))

    def encode_each(self, attributes: Mapping[Any, Any], *, most: int = UNLIMITED) -> dict[str, str]:
        """Encode `attributes` one by one, values cut as `most` says; return each member by its name."""
        members = {}
        for key, value in attributes.items():
            name = self.name_of(key)
            if not name:
                continue
            if most == UNLIMITED or name in _BOOLEANS:
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
        if name in _BOOLEANS:
            return encoder_of(bool) if kind is bool else _nothing
        plain = encoder_of(kind)
        if not self._redact or kind in _WITHOUT_URLS:
            return plain
        if is_url(name) or is_url(str(key)):
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
        if isinstance(value, str) and (is_url(name) or is_url(str(key))):
            return clean_relative_url(value)
        return clean_urls(clean(value))

    def _learn(self, key: tuple[tuple[Any, ...], tuple[type, ...]]) -> _Shape | None:
        """Work out and remember a shape; None where its attributes have to be looked at one by one."""
        keys, types = key
        if len(keys) > _MAX_KEYS or any(type(one) is not str for one in keys):
            return None
        shape = self._earlier_shapes.get(key)
        if shape is None:
            names = [name for name in map(self.name_of, keys) if name]
            is_simple = len(set(names)) == len(names) and _BOOLEANS.isdisjoint(names)
            shape = (
                _Shape(
                    tuple(map(self._column, keys, types)), frozenset(names), self.meant(dict.fromkeys(keys))
                )
                if is_simple
                else None
            )
        if len(self._shapes) >= _MAX_SHAPES:
            self._earlier_shapes, self._shapes = self._shapes, {}
        self._shapes[key] = shape
        return shape

    def _column(self, key: str, kind: type) -> Column | Unremembered:
        column = self._columns.get((key, kind))
        if column is None:
            if len(self._columns) >= _MAX_COLUMNS:
                self._columns.clear()
            name = self.name_of(key)
            known = name and kind in _REMEMBERED_TYPES
            start = f"{encode(name)}:" if name else ""
            column = (Column if known else Unremembered)(start, self._encoder(key, name, kind))
            self._columns[key, kind] = column
        return column

    def _forget_tuples(self, attributes: Mapping[Any, Any]) -> None:
        """Look up no more the tuples of attributes that hold something mutable."""
        for key, value in attributes.items():
            column = self._columns.get((key, tuple))
            if isinstance(value, tuple) and isinstance(column, Column) and not is_itself(value):
                self._columns[key, tuple] = column.without_memory(Unremembered)
        self._shapes, self._earlier_shapes = {}, {}

    def _review(self) -> None:
        """Stop to look for values that are mostly new, such as texts that are unique: that costs, and finds nothing."""
        self._encoded = 0
        for key, column in list(self._columns.items()):
            if isinstance(column, Column):
                if column.misses > _PERIOD // 2:
                    is_text = key[1] is str and not (is_url(key[0]) or is_url(self.name_of(key[0])))
                    self._columns[key] = column.without_memory(Texts if is_text else Unremembered)
                    self._shapes, self._earlier_shapes = {}, {}
                column.misses = 0


_WITHOUT_URLS: Final = frozenset({bool, int, float, type(None), bytes})


def _nothing(_: object) -> str:
    return ""


class _Shape(NamedTuple):
    """What is known about records with the same keys and types of values."""

    columns: tuple[Column | Unremembered, ...]
    names: frozenset[str]
    meant: tuple[str, ...]


def joined(members: Mapping[str, str], meant: tuple[str, ...] = ()) -> Members:
    """Put members together."""
    return "".join(members.values()), frozenset(members), meant


class Block:
    """Members that stand beside those of a record, and give way to them."""

    __slots__ = ("_members", "_whole", "_without")

    def __init__(self, members: Mapping[str, str]) -> None:
        self._members = members
        self._whole = "".join(members.values())
        self._without: dict[str, Block] = {}

    def beside(self, names: frozenset[str]) -> str:
        """Return the members, but for those of `names`."""
        if names.isdisjoint(self._members):
            return self._whole
        return "".join(text for name, text in self._members.items() if name not in names)

    def without(self, name: str) -> Block:
        """Return the same without one member."""
        if name not in self._members:
            return self
        block = self._without.get(name)
        if block is None:
            left = {other: text for other, text in self._members.items() if other != name}
            block = self._without[name] = Block(left)
        return block
