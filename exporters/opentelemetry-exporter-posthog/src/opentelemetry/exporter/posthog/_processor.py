# SPDX-License-Identifier: Apache-2.0
"""Copy ids from a log record's context to the record before the SDK empties the context."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from opentelemetry._logs import get_logger_provider
from opentelemetry.context import get_current
from opentelemetry.sdk._logs import LogRecordProcessor

from opentelemetry.exporter.posthog._conventions import UID, from_context
from opentelemetry.exporter.posthog._settings import mapping_options
from opentelemetry.exporter.posthog._warnings import warn_once

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.sdk._logs import ReadWriteLogRecord

_ADDED: Final = "_posthog_added"


class PostHogContextProcessor(LogRecordProcessor):
    """Copies the user, session and groups of the current span to each log record.

    The SDK's batch processor empties a record's context, so the exporter behind it cannot read the span. If the
    record has no id that PostHog accepts, this processor adds `posthog.distinct_id` from the current span, else from
    the baggage. It also adds `session.id` and `posthog.group.<type>` from that span, and a `log.record.uid`, unless
    the record has its own. Every exporter of the same provider sees these attributes.

    Add it before the exporters' processors, or call `install`. Thread-safe; never raises; does no I/O.

    Args:
        distinct_id_attributes: as for the exporter.
        baggage_keys: as for the exporter.
        group_attributes: as for the exporter.
        conventions: as for the exporter; False copies the `distinct_id` only.
    """

    def __init__(
        self,
        *,
        distinct_id_attributes: Sequence[str] | None = None,
        baggage_keys: Sequence[str] | None = None,
        group_attributes: Mapping[str, str] | None = None,
        conventions: bool | None = None,
    ) -> None:  # `mapping_options` reads each argument by its name
        self._options = mapping_options(dict(locals()))

    @classmethod
    def install(cls, **arguments: Any) -> None:
        """Insert a processor before the existing processors of the global logger provider. Idempotent.

        Needed with `OTEL_CONFIG_FILE`, whose format cannot name third-party processors. `opentelemetry-instrument`
        calls it by itself.

        Args:
            **arguments: the constructor's arguments.
        """
        several = getattr(get_logger_provider(), "_multi_log_record_processor", None)
        present = getattr(several, "_log_record_processors", None)
        if not isinstance(present, tuple):
            warn_once(
                "PostHogContextProcessor.install() finds no logger provider of the SDK, so log records keep no id of "
                "their span: call it after the provider was set, or add the processor to the provider yourself."
            )
        elif not any(isinstance(one, cls) for one in present):
            several._log_record_processors = (cls(**arguments), *present)  # type: ignore[union-attr]  # found above  # noqa: SLF001

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Add the missing attributes to `log_record`."""
        with suppress(Exception):  # nothing may raise into the application
            self._add(log_record.log_record)

    def _add(self, record: Any) -> None:
        attributes = record.attributes  # the SDK has made a mutable mapping of them
        for key, value in vars(record).pop(_ADDED, {}).items():  # the same object was emitted before
            if attributes.get(key) == value:
                del attributes[key]
        added = from_context(attributes, record.context or get_current(), self._options)
        uid = attributes.get(UID)
        if uid is None or uid == "":
            added[UID] = str(uuid4())
        attributes.update(added)
        vars(record)[_ADDED] = added

    def shutdown(self) -> None:
        """Do nothing: the processor keeps no records."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002  # as inherited
        """Return True: the processor keeps no records."""
        return True
