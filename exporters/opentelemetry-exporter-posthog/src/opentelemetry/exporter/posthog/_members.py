"""Attributes as the members of a JSON object.

Records of one kind of event have the same keys, and mostly the same few values. So what is known about a set
of keys (their shape) is worked out once, and of each key the first few values are encoded once.
"""

from __future__ import annotations

from operator import getitem
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.exporter.posthog._json import UNLIMITED, clean, clean_name, encode, encoder_of, to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

_LEFT_OUT: Final = frozenset({"", "service.instance.id", "otel.status_description", "capture_internal"})
"""Sent only where mapped: an id that the SDK makes up for each process, a text that quotes exceptions, and a
switch of PostHog's own."""
_MAX_SHAPES: Final = 256
_MAX_KEYS: Final = 128
_MAX_VALUES: Final = 64
_MAX_LENGTH: Final = 256
_REMEMBERED_TYPES: Final = frozenset({str, bool, int, float, tuple, type(None)})
"""One column a type, because 1 == True == 1.0; all other types can change, or are rare."""


Members = tuple[str, frozenset[str]]
"""`"name":value,` one after the other (who closes the object cuts the last comma), and the names in it."""


class MemberEncoder:
    """Encodes attributes. Thread-safe: what threads share is memory of what is always encoded the same.

    Args:
        property_names: attribute key to property name; an empty name leaves the attribute out.
    """

    def __init__(self, property_names: Mapping[str, str]) -> None:
        self._names = dict(property_names)
        self._shapes: dict[tuple[tuple[Any, ...], tuple[type, ...]], _Shape | None] = {}
        self._columns: dict[tuple[str, type], _Column | _Unremembered] = {}

    def encode(self, attributes: Mapping[Any, Any]) -> Members:
        """Encode `attributes`, in their order; of two with one name the later counts."""
        key = tuple(attributes), tuple(map(type, attributes.values()))
        try:
            shape = self._shapes[key]
        except KeyError:
            shape = self._learn(key)
        if shape is not None:
            try:
                return "".join(map(getitem, shape.columns, attributes.values())), shape.names
            except TypeError:  # a tuple that holds something mutable cannot be looked up
                pass
        return joined(self.encode_each(attributes))

    def encode_each(self, attributes: Mapping[Any, Any], *, most: int = UNLIMITED) -> dict[str, str]:
        """Encode `attributes` one by one, values cut as `most` says; return each member by its name."""
        members = {self.name_of(key): to_json(value, most=most) for key, value in attributes.items()}
        members.pop("", None)
        return {name: f"{encode(name)}:{text}," for name, text in members.items()}

    def name_of(self, key: object) -> str:
        """Return the name of the property for an attribute key, empty where it is not sent."""
        text = key if isinstance(key, str) else str(clean(key))
        mapped = self._names.get(text)
        if mapped is None and (text.startswith("$") or text in _LEFT_OUT):
            return ""
        return clean_name(text if mapped is None else mapped)

    def _learn(self, key: tuple[tuple[Any, ...], tuple[type, ...]]) -> _Shape | None:
        """Work out and remember a shape; None where its attributes have to be looked at one by one."""
        keys, types = key
        if len(keys) > _MAX_KEYS or any(type(one) is not str for one in keys):
            return None
        if len(self._shapes) >= _MAX_SHAPES:
            self._shapes.clear()
            self._columns.clear()
        names = [name for name in map(self.name_of, keys) if name]
        is_simple = len(set(names)) == len(names)
        shape = _Shape(tuple(map(self._column, keys, types)), frozenset(names)) if is_simple else None
        self._shapes[key] = shape
        return shape

    def _column(self, key: str, kind: type) -> _Column | _Unremembered:
        column = self._columns.get((key, kind))
        if column is None:
            name = self.name_of(key)
            known = name and kind in _REMEMBERED_TYPES
            column = (_Column if known else _Unremembered)(name, kind)
            self._columns[key, kind] = column
        return column


class _Unremembered:
    """One attribute key with values that are encoded each time, or never sent."""

    __slots__ = ("_encode", "_start")

    def __init__(self, name: str, kind: type) -> None:
        self._start = f"{encode(name)}:" if name else ""
        self._encode = encoder_of(kind)

    def __getitem__(self, value: object) -> str:
        return f"{self._start}{self._encode(value)}," if self._start else ""


class _Column(dict[Any, str]):
    """One attribute key with values of one type, and the members they make; the first few are remembered."""

    __slots__ = ("_encode", "_start")

    def __init__(self, name: str, kind: type) -> None:
        self._start = f"{encode(name)}:"
        self._encode = encoder_of(kind)

    def __missing__(self, value: object) -> str:
        text = f"{self._start}{self._encode(value)},"
        if len(self) < _MAX_VALUES and len(text) <= _MAX_LENGTH and _is_itself(value):
            self[value] = text
        return text


class _Shape(NamedTuple):
    """What is known about records with the same keys and types of values."""

    columns: tuple[_Column | _Unremembered, ...]
    names: frozenset[str]


def joined(members: Mapping[str, str]) -> Members:
    """Put members together."""
    return "".join(members.values()), frozenset(members)


def _is_itself(value: object) -> bool:
    """Whether whatever equals `value` reads the same: not so (1,) and (True,), 0.0 and -0.0."""
    if isinstance(value, tuple):
        return all(type(item) is str for item in value)
    return not isinstance(value, float) or value != 0


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
