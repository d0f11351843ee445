# SPDX-License-Identifier: Apache-2.0
"""A durable pipeline for OpenTelemetry log records: queue, writer, spool, senders.

It knows no product, consent or vendor: the caller passes what may be sent, whether it may be sent, and where to.
A thread of this package writes each enqueued event to disk. The event stays there until its destination is done
with it, in this process or a later one. Nothing here raises into the caller or logs above DEBUG. Only `flush`,
`shutdown` and the exit wait for the network, each for a bounded time.

`fork_gate` and `reading` work without the OTel SDK. The other modules are loaded at their first use.
"""

from __future__ import annotations

TYPE_CHECKING = False  # not `typing`'s: before the fork gate exists, import as little as possible
if TYPE_CHECKING:
    from typing import Any

    from mem0_telemetry.delivery._config import Destination, Limits, mailbox_name
    from mem0_telemetry.delivery._delivery import Delivery
    from mem0_telemetry.delivery._status import DROP_REASONS, DeliveryStatus, SenderStatus

__all__ = [
    "DROP_REASONS",
    "Delivery",
    "DeliveryStatus",
    "Destination",
    "Limits",
    "SenderStatus",
    "mailbox_name",
]

_HOMES = {
    "Delivery": "_delivery",
    **dict.fromkeys(("Destination", "Limits", "mailbox_name"), "_config"),
    **dict.fromkeys(("DROP_REASONS", "DeliveryStatus", "SenderStatus"), "_status"),
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib  # noqa: PLC0415  # as little as possible at import

    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
