# SPDX-License-Identifier: Apache-2.0
"""Encode any Python value as JSON that PostHog's parser accepts; replace values that it rejects."""

from __future__ import annotations

import base64
import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from json.encoder import encode_basestring  # the C function, if there is one
from typing import Any, Final

from opentelemetry.exporter.posthog._check import MAX_INT, MAX_NAME_BYTES, MIN_INT, UNSTORABLE

UNLIMITED: Final = sys.maxsize
_MAX_DEPTH: Final = 32
"""PostHog's JSON parser refuses a whole batch for one value nested deeper than 128."""
_MAX_NODES: Final = 100_000
"""Values in one attribute. Without a limit, a structure that shares its parts or creates them when read may not end."""
_MAX_EVENT_BYTES: Final = 900 * 1024
_MAX_ENVELOPE_BYTES: Final = 990_000
"""PostHog stores an event as a string inside JSON, in 1 000 000 bytes: quotes and backslashes count twice."""
_HEAD_BYTES: Final = 4 * 1024
"""More than name, id, uuid and timestamp need."""
_LONG: Final = 200
"""For longer texts, it is faster to check first whether any character must be escaped."""
_ESCAPED: Final = bytes(range(32)) + b'"\\'
_CONTAINERS: Final = frozenset({dict, list, tuple})
_LEAVES: Final = frozenset({str, float, bool, type(None)})

encode: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def clean_text(text: str) -> str:
    """Replace characters that PostHog cannot store (NUL, lone surrogates) with U+FFFD."""
    return UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def clean_name(text: str) -> str:
    """Make `text` usable as a name or an id: storable, and at most `MAX_NAME_BYTES` of UTF-8."""
    text = clean_text(text)
    if len(text) * 4 <= MAX_NAME_BYTES:
        return text
    return text.encode()[:MAX_NAME_BYTES].decode(errors="ignore")


def to_json(value: object, *, limit: int = UNLIMITED) -> str:
    """Return `clean(value)` as JSON text."""
    return encoder_of(type(value))(value) if limit == UNLIMITED else encode(clean(value, limit=limit))


def encoder_of(kind: type) -> Callable[[Any], str]:
    """Return a function equal to `to_json` for values of exactly the type `kind`; common types have a fast one."""
    return _QUICK.get(kind, _encode_cleaned)


def _encode_cleaned(value: object) -> str:
    if type(value) in _CONTAINERS and _is_plain(value, _MAX_DEPTH, [_MAX_NODES]):
        with suppress(ValueError):  # raised for NaN and infinity
            text = encode(value)
            if (text.isascii() or not UNSTORABLE.search(text)) and "\\u0000" not in text:
                return text
    return encode(clean(value))


def _is_plain(value: Any, depth: int, nodes_left: list[int]) -> bool:
    """Return whether a container, at most `depth` levels deep, holds only types that JSON encodes without cleaning."""
    kind = type(value)
    nodes_left[0] -= len(value)  # JSON repeats a shared part, so it counts each time
    if depth == 0 or nodes_left[0] < 0:
        return False
    if kind is dict and not all(type(key) is str for key in value):
        return False
    for item in value.values() if kind is dict else value:
        kind = type(item)
        if kind is int:
            if not MIN_INT <= item <= MAX_INT:
                return False
        elif kind not in _LEAVES and not (kind in _CONTAINERS and _is_plain(item, depth - 1, nodes_left)):
            return False
    return True


def _encode_text(value: str) -> str:
    if value.isascii() and "\0" not in value:
        if len(value) > _LONG and len(value.encode().translate(None, _ESCAPED)) == len(value):
            return f'"{value}"'
        return encode_basestring(value)
    return encode_basestring(clean_text(value))


def _encode_float(value: float) -> str:
    return repr(value) if math.isfinite(value) else "null"


def _encode_int(value: int) -> str:
    return repr(value) if MIN_INT <= value <= MAX_INT else _encode_cleaned(value)


_QUICK: Final[dict[type, Callable[[Any], str]]] = {
    str: _encode_text,
    float: _encode_float,
    int: _encode_int,
}


def clean(value: object, *, limit: int = UNLIMITED) -> object:
    """Return `value` as plain JSON data.

    NaN and infinity become null, bytes base64; integers beyond 64 bits, objects of other types and keys become
    text. A value that is nested too deeply, contains itself or raises when it is read becomes null. `limit` limits the
    characters of each string, and the number of values in lists and maps in total. Never raises.
    """
    return _Cleaner(limit).clean(value, 0)


class _Cleaner:
    """Cleans one value; not reusable."""

    __slots__ = ("_around", "_longest", "_nodes_left")

    def __init__(self, limit: int) -> None:
        self._around: set[int] = set()
        self._longest = limit
        self._nodes_left = min(limit, _MAX_NODES)

    def clean(self, value: object, depth: int) -> object:  # noqa: PLR0911  # one for each type
        try:
            if value is None or isinstance(value, bool):
                return value
            if isinstance(value, str):
                return clean_text(str.__str__(value)[: self._longest])  # an Enum's value, not its name
            if isinstance(value, int):
                return _clean_int(value)
            if isinstance(value, float):
                return float(value) if math.isfinite(value) else None
            if isinstance(value, (bytes, bytearray, memoryview)):
                return base64.b64encode(bytes(value)).decode()[: self._longest]
            if isinstance(value, (Mapping, list, tuple)):
                return self._clean_container(value, depth)
            return clean_text(str(value)[: self._longest])
        except Exception:  # noqa: BLE001  # the application's own __str__, items or __iter__ may raise anything
            return None

    def _clean_container(self, value: Mapping[Any, Any] | Sequence[Any], depth: int) -> object:
        if depth == _MAX_DEPTH or id(value) in self._around:
            return None
        self._around.add(id(value))
        depth += 1
        try:
            if isinstance(value, Mapping):
                return {
                    str(self.clean(key, depth)): self.clean(value[key], depth)
                    for key in self._budgeted(value)
                }
            return [self.clean(item, depth) for item in self._budgeted(value)]
        finally:
            self._around.discard(id(value))

    def _budgeted(self, items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            if self._nodes_left <= 0:
                return
            self._nodes_left -= 1
            yield item


def _clean_int(value: int) -> int | str:
    if MIN_INT <= value <= MAX_INT:
        return int(value)
    try:
        return str(int(value))
    except ValueError:  # more digits than Python converts to decimal
        return hex(value)


def fits(properties: str) -> bool:
    """Return whether an event with these JSON members of `properties` is small enough for PostHog."""
    size = len(properties.encode()) + _HEAD_BYTES
    escapes = properties.count('"') + properties.count("\\")
    return size <= _MAX_EVENT_BYTES and size + escapes <= _MAX_ENVELOPE_BYTES
