# SPDX-License-Identifier: Apache-2.0
"""The identity of an event, by which PostHog recognises it when it is sent again: uuid, timestamp, `distinct_id`."""

from __future__ import annotations

import hashlib
import os
import re
import threading
import uuid
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from opentelemetry.exporter.posthog._check import UUID, is_illegal_id
from opentelemetry.exporter.posthog._json import clean_name, encode

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAMESPACE: Final = hashlib.sha1(
    uuid.UUID("a1b6c1f0-8d52-5a5e-9c51-2f6f0f6f5d3b").bytes, usedforsecurity=False
)
"""Hash state after the namespace; copying it is faster than hashing the namespace again."""
_ULID: Final = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", re.IGNORECASE)
_CROCKFORD: Final = str.maketrans("ABCDEFGHJKMNPQRSTVWXYZ", "ABCDEFGHIJKLMNOPQRSTUV")
"""Translates the digits of a ULID to the digits that `int(text, 32)` reads."""
_VARIANT: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
_YEAR_10000: Final = 253_402_300_800 * 10**9
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_ORDINAL: Final = "_posthog_ordinal"
_REMEMBERED_CONTENTS: Final = 20_000


def process_distinct_id() -> str:
    """Return the `distinct_id` of events without a known user: one random id for each process."""
    return _distinct_id_of_process(os.getpid())


@lru_cache(1)
def _distinct_id_of_process(_: int) -> str:
    return str(uuid.uuid4())


def distinct_id_of(value: object) -> str | None:
    """Return `value` as a `distinct_id` that PostHog accepts, or None if PostHog does not accept it."""
    text = text_of(value)
    return None if text is None or is_illegal_id(text) else text


def encode_distinct_id(value: object) -> str:
    """Return `value` as a `distinct_id` in JSON; empty if PostHog does not accept it."""
    distinct_id = distinct_id_of(value)
    return encode(distinct_id) if distinct_id else ""


encode_short_id: Final = lru_cache(1024)(encode_distinct_id)


def text_of(value: object) -> str | None:
    """Return `value` as the text of an id, or None if it cannot be an id.

    A list or tuple of one string counts as that string, a whole float as an integer.
    """
    if isinstance(value, (list, tuple)) and len(value) == 1 and isinstance(value[0], str):
        value = value[0]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    try:
        return clean_name(str.__str__(value) if isinstance(value, str) else int.__repr__(value))
    except ValueError:  # an integer with more digits than Python converts to decimal
        return None


def uuid_of(uid: str) -> str:
    """Return the uuid of an event with a `log.record.uid`: a UUID unchanged, a ULID's bits, a hash of other text."""
    if UUID.fullmatch(uid):
        return uid.lower()
    if _ULID.fullmatch(uid):
        return str(uuid.UUID(int=int(uid.upper().translate(_CROCKFORD), 32)))
    return derived_uuid(uid.encode("utf-8", "surrogatepass"))


def derived_uuid(content: bytes) -> str:
    """Return the UUIDv5 of `content`, which is the same in every process and release."""
    state = _NAMESPACE.copy()
    state.update(content)
    text = state.hexdigest()
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:32]}"


class Ordinals:
    """Numbers records of equal content, so that each is a separate event; the first keeps the content's uuid.

    The record object keeps its number, so a record that is exported again is the same event. Another record of that
    content gets the next number, in the same export or a later one. Thread-safe. Only the latest contents are kept.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # reentrant: a signal handler may export too
        self._counts: dict[str, int] = {}
        self._earlier: dict[str, int] = {}

    def uuid_of(self, record: object, content: str) -> str:
        """Return the uuid of `record`; `content` is the uuid derived from its content."""
        ordinal: int = getattr(record, _ORDINAL, 0)
        if not ordinal:
            with self._lock:
                ordinal = (self._counts.get(content) or self._earlier.get(content, 0)) + 1
                self._counts[content] = ordinal
                if len(self._counts) >= _REMEMBERED_CONTENTS:
                    self._earlier, self._counts = self._counts, {}
            try:  # noqa: SIM105  # a context manager would cost more for each event
                object.__setattr__(record, _ORDINAL, ordinal)  # because records are frozen
            except AttributeError:  # a record that cannot store it is a new event each time
                pass
        return content if ordinal == 1 else derived_uuid(f"{content}/{ordinal}".encode())


def timestamp_of(candidates: Iterable[object]) -> str | None:
    """Return the first valid time of `candidates` (see `nanoseconds`) as RFC 3339 text in UTC, or None."""
    for candidate in candidates:
        nanos = candidate if type(candidate) is int else nanoseconds(candidate)
        if nanos is not None and 0 < nanos < _YEAR_10000:
            digits = str(nanos).zfill(10)  # slicing text is faster than dividing large integers
            return f"{_second(digits[:-9])}.{digits[-9:-3]}Z"
    return None


def nanoseconds(moment: object) -> int | None:
    """Return `moment` in nanoseconds since 1970, or None if it is not a time.

    A time is a number of any type (nanoseconds); a `datetime` (UTC if it has no zone), also one of `numpy` or
    `pandas`; or ISO 8601 text.
    """
    try:
        if isinstance(moment, bool) or moment is None:
            return None
        if isinstance(moment, str):
            moment = datetime.fromisoformat(moment.strip().replace("Z", "+00:00"))
        if isinstance(moment, datetime):
            aware = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
            nanos = getattr(moment, "nanosecond", 0)  # `pandas` has nanoseconds
            return (aware - _EPOCH) // timedelta(microseconds=1) * 1000 + int(nanos)
        if type(moment).__name__ == "datetime64":
            moment = moment.astype("datetime64[ns]").astype("int64")  # type: ignore[attr-defined]  # a `numpy` time
        return int(moment)  # type: ignore[call-overload,no-any-return]  # raises if it is not a number
    except Exception:  # noqa: BLE001  # the application's own objects may raise anything
        return None


@lru_cache(256)
def _second(seconds: str) -> str:
    """Return a second as RFC 3339 text without zone. Cached: the next record often has the same second."""
    return (_EPOCH + timedelta(seconds=int(seconds))).strftime("%Y-%m-%dT%H:%M:%S")
