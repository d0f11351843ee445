# SPDX-License-Identifier: Apache-2.0
"""A durable pipeline for OpenTelemetry log records: queue, writer, spool, senders.

It knows no product, no consent and no vendor: what may be sent, whether, and where to are arguments. An event
that is enqueued is written to disk by a thread of ours, and stays there until its destination is done with it, in
this process or a later one. Nothing here raises into the caller, waits for the network (but `flush`,
`shutdown` and the exit, each with a bound), or logs above DEBUG.

`fork_gate` and `reading` are usable without the OTel SDK being loaded; the rest is loaded when it is first
asked for.
"""

from __future__ import annotations

TYPE_CHECKING = False  # no `typing`: this is imported before the fork gate, so it is short
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
    import importlib  # noqa: PLC0415  # as above

    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
