# SPDX-License-Identifier: Apache-2.0
"""What a record's context says, copied to the record while it is still there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from opentelemetry._logs import get_logger_provider
from opentelemetry.context import get_current
from opentelemetry.sdk._logs import LogRecordProcessor

from opentelemetry.exporter.posthog._conventions import UID, from_context
from opentelemetry.exporter.posthog._settings import mapping_options
from opentelemetry.exporter.posthog._warnings import debug, warn_once

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.sdk._logs import ReadWriteLogRecord

_ADDED: Final = "_posthog_added"


class PostHogContextProcessor(LogRecordProcessor):
    """Copies to each log record what its context says: whose it is, its session, its groups.

    The SDK's batch processor empties the context of a record, so an exporter behind it cannot look there. Where
    the record has no id of its own that PostHog accepts, this processor adds `posthog.distinct_id` from the span
    that is current, else from the baggage; `session.id` and `posthog.group.<type>` from that span; and a
    `log.record.uid` where there is none. Every exporter of the same provider sees these attributes.

    Add it before the processors of exporters (or by `install`). Thread-safe; never raises, does no I/O.

    Args:
        distinct_id_attributes: as the exporter's.
        baggage_keys: as the exporter's.
        group_attributes: as the exporter's.
        conventions: as the exporter's; False copies the distinct id only.
    """

    def __init__(
        self,
        *,
        distinct_id_attributes: Sequence[str] | None = None,
        baggage_keys: Sequence[str] | None = None,
        group_attributes: Mapping[str, str] | None = None,
        conventions: bool | None = None,
    ) -> None:  # each argument is read by its name
        self._options = mapping_options(dict(locals()))

    @classmethod
    def install(cls, **arguments: Any) -> None:
        """Put a processor in front of those that the global logger provider already has. Idempotent.

        For `OTEL_CONFIG_FILE`, whose format knows no processors of others. `opentelemetry-instrument` does it by
        itself.

        Args:
            **arguments: as for the constructor.
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
        """Add to `log_record` what it lacks."""
        try:
            self._add(log_record.log_record)
        except Exception as error:  # noqa: BLE001  # at the border to the application
            debug("the context of a log record could not be copied: %r", error)

    def _add(self, record: Any) -> None:
        attributes = {} if record.attributes is None else record.attributes
        for key, value in vars(record).pop(_ADDED, {}).items():  # the same object is emitted once more
            if attributes.get(key) == value:
                del attributes[key]
        added = from_context(attributes, record.context or get_current(), self._options)
        uid = attributes.get(UID)
        if uid is None or uid == "":
            added[UID] = str(uuid4())
        attributes.update(added)
        record.attributes = attributes
        vars(record)[_ADDED] = added

    def shutdown(self) -> None:
        """Do nothing: nothing is kept."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002  # as inherited
        """Return True: nothing is kept."""
        return True
