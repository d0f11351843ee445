"""Make one attempt with an exporter, which may be anybody's: is it done, was it refused, when to come again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk._logs.export import LogRecordExportResult

from mem0_telemetry.base.guard import guard

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk._logs.export import LogRecordExporter


_A_FEW_WORDS: Final = 40
"""Characters that an exporter's own word for a failure may have; what is longer may say anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of an attempt."""

    done: bool
    """False: to be tried again."""
    kind: str = ""
    """What kind of failure it was, in a few words: what the exporter calls it, or the class of what it raised. No more
    than that is kept on disk."""
    reason: str = ""
    """The same, with the exception's text where there is one; empty where it is done."""
    retry_after: float | None = None
    """Seconds that the destination asked for."""
    refusal: str = ""
    """Why the destination will never take the batch, or part of it; empty where nothing was refused."""


def attempt(exporter: LogRecordExporter, records: Sequence[ReadableLogRecord], *, name: str) -> Answer:
    """Hand `records` to the exporter of the destination `name`. An exception that it raises is a failure."""
    result = LogRecordExportResult.FAILURE
    noted = Noted()
    with guard(f"exporting to {name}"), noted:
        result = exporter.export(records)
    if result is LogRecordExportResult.SUCCESS:
        return Answer(done=True, refusal=_said(exporter, "refusal"))
    retry_after = getattr(exporter, "retry_after", None)
    said = _said(exporter, "failure")
    return Answer(
        done=False,
        kind=noted.kind or said,
        reason=noted.text or said or "the exporter reported a failure",
        retry_after=float(retry_after) if isinstance(retry_after, (int, float)) else None,
    )


def _said(exporter: LogRecordExporter, name: str) -> str:
    said = getattr(exporter, name, "")
    return said if isinstance(said, str) and len(said) <= _A_FEW_WORDS else ""


class Noted:
    """Notes the exception that passes through it."""

    def __init__(self) -> None:
        self.kind = self.text = ""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self.kind = type(error).__name__
            self.text = f"{self.kind}: {error}"
