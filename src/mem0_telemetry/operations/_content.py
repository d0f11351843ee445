"""What may hold the application's content, and goes into a span only where the operator has asked for it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from mem0_telemetry.operations import _semconv

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def is_captured() -> bool:
    """Tell whether the environment asks for content on spans; read at each call that is recorded."""
    value = os.environ.get(_semconv.CAPTURE_CONTENT_VARIABLE, "")
    return value.strip().lower() in _semconv.CAPTURE_CONTENT_VALUES


def records_json(records: Iterable[Mapping[str, Any]]) -> str:
    """Return `gen_ai.memory.records`: what the conventions define, and no ids of users, agents or runs."""
    return json.dumps([_record(record) for record in records], ensure_ascii=False, default=str)


def _record(record: Mapping[str, Any]) -> dict[str, Any]:
    shown = {"content": record.get("memory", record.get("text"))}
    shown.update({key: record[key] for key in ("id", "score", "metadata") if record.get(key) is not None})
    return shown


def description_of(error: BaseException) -> str:
    """Return the description of a failed span's status.

    The exception's message where content is captured. It may repeat what a user said or was called, so
    otherwise only where the exception was raised, which `error.type` does not say.
    """
    if is_captured():
        return str(error)
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    frame = traceback.tb_frame if traceback is not None else None
    return f"raised in {frame.f_globals.get('__name__')}.{frame.f_code.co_name}" if frame is not None else ""
