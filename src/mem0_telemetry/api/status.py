# SPDX-License-Identifier: Apache-2.0
"""`status()`: one frozen picture of this process's telemetry."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mem0_telemetry.environment_variables import unusable_numbers
from mem0_telemetry.mem0_internals.native_module import native_in_place
from mem0_telemetry.operations import state
from mem0_telemetry.pipeline.destinations import DestinationConfig
from mem0_telemetry.policy.sampling import rate_of
from mem0_telemetry.usage.current import usage

if TYPE_CHECKING:  # it needs the OpenTelemetry SDK
    from mem0_telemetry.delivery import DeliveryStatus

__all__ = ["DestinationStatus", "OperationsStatus", "Status", "status"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationStatus:
    """One destination of this process."""

    name: str
    """As in `MEM0_TELEMETRY_EXPORTER`."""
    endpoint: str
    """Where it posts to; empty where it has no address."""
    state: str = "idle"
    """`idle` before the first event; then `ok`, or `refused`, `retrying`, `quiet` or `unusable`, and why."""
    waiting: int = 0
    """Events that wait for it, those of earlier runs included."""
    sent: int = 0
    """Events that it took, in this process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationsStatus:
    """The application's own channel: spans and metrics of Mem0's operations."""

    active: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Usage telemetry of this process, as it is now."""

    enabled: bool
    """Whether events are recorded."""
    source: str
    """What decided: an environment variable's name, `set_enabled`, `state.json`, `destination`, `notice`,
    `opentelemetry-sdk` or `default`."""
    reason: str
    """Why, in words."""
    also_off: tuple[tuple[str, str], ...] = ()
    """What else says off: `(source, reason)` each."""
    installation_id: str | None = None
    """The pseudonymous id; None where there is none."""
    destinations: tuple[DestinationStatus, ...] = ()
    problems: tuple[str, ...] = ()
    """What is set and cannot be used, each with the remedy: destinations, rates and times."""
    sample_rate: float = 1.0
    """Share of the hot events of `Memory` that is kept."""
    threads: tuple[str, ...] = ()
    """Our threads, by name."""
    spooled: int = 0
    """Events that this process has written to the spool, once for each destination."""
    sent: int = 0
    """Events that destinations took."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Events that were dropped, by reason."""
    waiting_earlier: int = 0
    """Events on disk that earlier runs or other processes left."""
    native_telemetry: bool = False
    """Whether Mem0's own telemetry is in place in this process, instead of ours."""
    instrumented: bool = False
    """Whether `instrument()` is in effect for usage."""
    not_replaced: tuple[str, ...] = ()
    """Names of Mem0's modules that the application replaced itself: left to it, so their events are not recorded."""
    operations: OperationsStatus = OperationsStatus(active=False, reason="not instrumented")


def status() -> Status:
    """Return a picture of this process's telemetry. Creates nothing, never raises; costs some file look-ups."""
    from mem0_telemetry import telemetry  # noqa: PLC0415  # executing it reads the environment

    decided = usage.switches.consent()
    pipeline, chosen = usage.recorder.pipeline, usage.switches.chosen
    snapshot = pipeline.delivery.status() if pipeline is not None else None
    # Those that run, whatever is chosen by now.
    configs = pipeline.configs if pipeline is not None else chosen.configs
    active, reason = state()
    in_place = usage.drop_in is not None and usage.drop_in.active
    return Status(
        enabled=decided.enabled,
        source=decided.source,
        reason=decided.reason,
        also_off=decided.also,
        installation_id=usage.recorder.installation_id() if decided.enabled else None,
        destinations=_destinations(configs, snapshot) if decided.enabled else (),
        problems=(*chosen.problems, *chosen.remarks, *unusable_numbers(os.environ)),
        sample_rate=rate_of(telemetry.MEM0_TELEMETRY_SAMPLE_RATE),
        threads=snapshot.threads if snapshot else (),
        spooled=snapshot.spooled if snapshot else 0,
        sent=snapshot.sent if snapshot else 0,
        dropped=dict(snapshot.dropped) if snapshot else usage.recorder.dropped_before(),
        waiting_earlier=snapshot.waiting_earlier if snapshot else 0,
        native_telemetry=native_in_place() and not in_place,
        instrumented=in_place,
        not_replaced=usage.drop_in.not_replaced() if usage.drop_in is not None else (),
        operations=OperationsStatus(active=active, reason=reason),
    )


def _destinations(
    configs: Sequence[DestinationConfig], snapshot: DeliveryStatus | None
) -> tuple[DestinationStatus, ...]:
    """Return the destinations as they run, or, before the first event, as they would."""
    if snapshot is None:
        return tuple(DestinationStatus(name=config.name, endpoint=config.endpoint) for config in configs)
    running = []
    for config, found in zip(configs, snapshot.destinations, strict=True):
        state: str = found.state
        if found.reason:
            state += f" ({found.reason})" if state == "refused" else f": {found.reason}"
        waiting = found.waiting + found.waiting_earlier
        running.append(
            DestinationStatus(
                name=config.name, endpoint=config.endpoint, state=state, waiting=waiting, sent=found.sent
            )
        )
    return tuple(running)
