# SPDX-License-Identifier: Apache-2.0
"""What makes an event the same event when it is sent again: its uuid, its timestamp and whose it is."""

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
"""A copy of this state is quicker than a new one."""
_ULID: Final = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", re.IGNORECASE)
_CROCKFORD: Final = str.maketrans("ABCDEFGHJKMNPQRSTVWXYZ", "ABCDEFGHIJKLMNOPQRSTUV")
"""From the digits of ULIDs to those of Python's numbers to the base 32."""
_VARIANT: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
_YEAR_10000: Final = 253_402_300_800 * 10**9
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_ORDINAL: Final = "_posthog_ordinal"
_REMEMBERED_CONTENTS: Final = 20_000


def process_distinct_id() -> str:
    """Return the distinct id for what nobody is known to have done: a random one for this process."""
    return _distinct_id_of_process(os.getpid())


@lru_cache(1)
def _distinct_id_of_process(_: int) -> str:
    return str(uuid.uuid4())


def distinct_id_of(value: object) -> str | None:
    """Return `value` as a distinct id that PostHog accepts, or None where it is none."""
    text = text_of(value)
    return None if text is None or is_illegal_id(text) else text


def encode_distinct_id(value: object) -> str:
    """Return `value` as a distinct id in JSON, empty where it is none."""
    distinct_id = distinct_id_of(value)
    return encode(distinct_id) if distinct_id else ""


encode_short_id: Final = lru_cache(1024)(encode_distinct_id)


def text_of(value: object) -> str | None:
    """Return `value` as the text of an id, or None where it is none.

    A sequence of one text counts as that text, and a whole float as its integer.
    """
    if isinstance(value, (list, tuple)) and len(value) == 1 and isinstance(value[0], str):
        value = value[0]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    try:
        return clean_name(str.__str__(value) if isinstance(value, str) else int.__repr__(value))
    except ValueError:  # an integer with more digits than Python writes in decimal
        return None


def uuid_of(uid: str) -> str:
    """Return the event's uuid for a `log.record.uid`: a UUID as is, a ULID as its bits, other text hashed."""
    if UUID.fullmatch(uid):
        return uid.lower()
    if _ULID.fullmatch(uid):
        return str(uuid.UUID(int=int(uid.upper().translate(_CROCKFORD), 32)))
    return derived_uuid(uid.encode("utf-8", "surrogatepass"))


def derived_uuid(content: bytes) -> str:
    """Return the UUIDv5 of `content`: the same in every process and release."""
    state = _NAMESPACE.copy()
    state.update(content)
    text = state.hexdigest()
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:32]}"


class Ordinals:
    """Tells records of equal content apart: the first keeps the uuid of the content, others are numbered.

    A record object keeps its number, so a repetition is the same event; any other record of that content gets
    the next number, in whatever export it comes. Thread-safe. Remembers the latest contents only.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # re-entrant: a signal handler may export too
        self._counts: dict[str, int] = {}
        self._earlier: dict[str, int] = {}

    def uuid_of(self, record: object, content: str) -> str:
        """Return the uuid of `record`, whose content makes the uuid `content`."""
        ordinal: int = getattr(record, _ORDINAL, 0)
        if not ordinal:
            with self._lock:
                ordinal = (self._counts.get(content) or self._earlier.get(content, 0)) + 1
                self._counts[content] = ordinal
                if len(self._counts) >= _REMEMBERED_CONTENTS:
                    self._earlier, self._counts = self._counts, {}
            try:  # noqa: SIM105  # a context manager for each event costs more
                object.__setattr__(record, _ORDINAL, ordinal)  # records are frozen
            except AttributeError:  # one that cannot keep it is another one each time
                pass
        return content if ordinal == 1 else derived_uuid(f"{content}/{ordinal}".encode())


def timestamp_of(candidates: Iterable[object]) -> str | None:
    """Return the first usable of `candidates` (moments as `nanoseconds` takes them) as RFC 3339 text in UTC."""
    for candidate in candidates:
        nanos = candidate if type(candidate) is int else nanoseconds(candidate)
        if nanos is not None and 0 < nanos < _YEAR_10000:
            digits = str(nanos).zfill(10)  # quicker to cut than numbers of this size are to divide
            return f"{_second(digits[:-9])}.{digits[-9:-3]}Z"
    return None


def nanoseconds(moment: object) -> int | None:
    """Return `moment` in nanoseconds since 1970, or None where it is none.

    Args:
        moment: nanoseconds as a number of any type; a `datetime` (without a zone: UTC), also one of `numpy` or
            `pandas`; or the ISO 8601 text of one.
    """
    try:
        if isinstance(moment, bool) or moment is None:
            return None
        if isinstance(moment, str):
            moment = datetime.fromisoformat(moment.strip().replace("Z", "+00:00"))
        if isinstance(moment, datetime):
            aware = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
            nanos = getattr(moment, "nanosecond", 0)  # of `pandas`
            return (aware - _EPOCH) // timedelta(microseconds=1) * 1000 + int(nanos)
        if type(moment).__name__ == "datetime64":
            moment = moment.astype("datetime64[ns]").astype("int64")  # type: ignore[attr-defined]  # of `numpy`
        return int(moment)  # type: ignore[call-overload,no-any-return]  # what is no number raises
    except Exception:  # noqa: BLE001  # code of the application's own objects
        return None


@lru_cache(256)
def _second(seconds: str) -> str:
    """Return a second as text, without its end; the next record is often of the same one."""
    return (_EPOCH + timedelta(seconds=int(seconds))).strftime("%Y-%m-%dT%H:%M:%S")
