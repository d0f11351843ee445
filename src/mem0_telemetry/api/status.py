# SPDX-License-Identifier: Apache-2.0
"""`status()`: a frozen snapshot of this process's telemetry."""

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
    from mem0_telemetry.delivery import DeliveryStatus, SenderStatus

__all__ = ["DestinationStatus", "OperationsStatus", "Status", "status"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationStatus:
    """The status of one destination of this process."""

    name: str
    """The exporter's name, as in `MEM0_TELEMETRY_EXPORTER`."""
    endpoint: str
    """The URL it posts to; empty if it has no address."""
    state: str = "idle"
    """`idle` before the first event; then `ok`, or `refused`, `retrying`, `quiet` or `unusable` with the reason."""
    waiting: int = 0
    """Events not yet sent to it, including those of earlier runs."""
    sent: int = 0
    """Events that it accepted from this process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationsStatus:
    """The status of the application's own channel: spans and metrics of Mem0's operations."""

    active: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A snapshot of this process's telemetry."""

    enabled: bool
    """Whether events are recorded."""
    source: str
    """The source that decided: an environment variable's name, `set_enabled`, `state.json`, `destination`, `notice`,
    `opentelemetry-sdk` or `default`."""
    reason: str
    """The reason, in words."""
    also_off: tuple[tuple[str, str], ...] = ()
    """The other sources that say off, each as `(source, reason)`."""
    installation_id: str | None = None
    """The pseudonymous id; None if there is none."""
    destinations: tuple[DestinationStatus, ...] = ()
    problems: tuple[str, ...] = ()
    """Settings that cannot be used (destinations, rates, times), each with the remedy."""
    sample_rate: float = 1.0
    """Share of the hot events of `Memory` that is kept."""
    threads: tuple[str, ...] = ()
    """The names of our threads."""
    spooled: int = 0
    """Events that this process has written to the spool; each counts once, whatever the number of destinations."""
    sent: int = 0
    """Events that destinations accepted from this process."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Events that were dropped, by reason."""
    waiting_earlier: int = 0
    """Events on disk that earlier runs or other processes left."""
    native_telemetry: bool = False
    """Whether Mem0's own telemetry module is loaded in this process and not replaced by ours."""
    instrumented: bool = False
    """Whether `instrument()` is in effect for usage."""
    not_replaced: tuple[str, ...] = ()
    """Names in Mem0's modules that the application has replaced. We keep them, so their events are not recorded."""
    operations: OperationsStatus = OperationsStatus(active=False, reason="not instrumented")


def status() -> Status:
    """Return a snapshot of this process's telemetry. Creates nothing, never raises; reads a few files."""
    from mem0_telemetry import telemetry  # noqa: PLC0415  # executing it reads the environment

    decided = usage.switches.consent()
    pipeline, chosen = usage.recorder.pipeline, usage.switches.chosen
    snapshot = pipeline.delivery.status() if pipeline is not None else None
    # Show the running destinations, even if the environment now names others.
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
    """Return the running destinations or, before the first event, the chosen ones."""
    if snapshot is None:
        return tuple(DestinationStatus(name=config.name, endpoint=config.endpoint) for config in configs)
    return tuple(
        DestinationStatus(
            name=config.name,
            endpoint=config.endpoint,
            state=_in_words(found),
            waiting=found.waiting + found.waiting_earlier,
            sent=found.sent,
        )
        for config, found in zip(configs, snapshot.destinations, strict=True)
    )


def _in_words(found: SenderStatus) -> str:
    if found.state == "refused":
        return f"refused ({found.reason})"
    return f"{found.state}: {found.reason}" if found.reason else found.state
