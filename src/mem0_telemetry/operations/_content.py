# SPDX-License-Identifier: Apache-2.0
"""Convert the application's values into values that a span can hold and OTLP can encode.

Content goes into a span only if the operator has asked for it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any, Final

from mem0_telemetry.base.guard import guard
from mem0_telemetry.operations import _semconv

LONGEST: Final = 65_536
"""The most characters of a text, or of all texts in one attribute. A backend may refuse a request with larger spans."""
_DEEPEST = 16
_HUGE = 1e18


def is_captured() -> bool:
    """Return whether the environment asks for content on spans. Every recorded call reads it."""
    value = os.environ.get(_semconv.CAPTURE_CONTENT_VARIABLE, "")
    return value.strip().lower() in _semconv.CAPTURE_CONTENT_VALUES


def encodable(value: str, longest: int = LONGEST) -> str:
    """Return a text that protobuf can encode: cut to `longest`, with "?" for each lone surrogate."""
    if type(value) is str and len(value) <= longest and value.isascii():
        return value
    return str.encode(value, "utf-8", "replace").decode()[:longest]


def text_of(value: object) -> str:
    """Return a value as text, or the name of its class if `str` fails."""
    if isinstance(value, str):
        return encodable(value)
    with guard("making text of a value"):
        return encodable(str(value))
    return encodable(f"<{type(value).__name__}>")


def records_json(records: Iterable[Mapping[str, Any]]) -> str:
    """Return `gen_ai.memory.records`, with the conventions' fields and without ids of users, agents or runs."""
    return json.dumps(_Plain().of([_record(record) for record in records]), ensure_ascii=False)


def _record(record: Mapping[str, Any]) -> dict[str, Any]:
    shown = {"content": record.get("memory", record.get("text"))}
    shown.update({key: record[key] for key in ("id", "score", "metadata") if record.get(key) is not None})
    return shown


class _Plain:
    """Copies any value into one that JSON can encode. Size and depth are limited, so a cycle ends too."""

    def __init__(self) -> None:
        self._left = LONGEST

    def of(self, value: Any, depth: int = 0) -> Any:
        self._left -= 1
        if value is None or value is True or value is False:
            return value
        if isinstance(value, (int, float)) and -_HUGE < value < _HUGE:  # excludes NaN and long numbers
            return value
        if not isinstance(value, (dict, list, tuple)):
            return self._text(value)
        if depth == _DEEPEST or self._left <= 0:
            return "..."
        if isinstance(value, dict):
            items = ((self._text(key), self.of(each, depth + 1)) for key, each in value.items())
            return dict(self._bounded(items))
        return [*self._bounded(self.of(each, depth + 1) for each in value)]

    def _bounded(self, values: Iterable[Any]) -> Iterable[Any]:
        for value in values:
            yield value
            if self._left <= 0:
                return

    def _text(self, value: object) -> str:
        text = text_of(value)[: max(self._left, 0)]
        self._left -= len(text)
        return text


def description_of(error: BaseException) -> str:
    """Return the description of a failed span's status.

    If content is captured, it is the exception's message. A message may contain a user's words or name, so
    otherwise the description is only the place that raised the exception, which `error.type` does not contain.
    """
    if is_captured():
        return text_of(error)
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    frame = traceback.tb_frame if traceback is not None else None
    if frame is None:
        return ""
    return encodable(f"raised in {frame.f_globals.get('__name__')}.{frame.f_code.co_name}")
