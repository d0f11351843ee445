# SPDX-License-Identifier: Apache-2.0
"""The pipeline of this process: private provider, delivery and destinations, put together at the first kept event."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.util.types import AttributeValue

from mem0_telemetry import environment_variables
from mem0_telemetry.base.guard import guard
from mem0_telemetry.delivery import Delivery, fork_gate
from mem0_telemetry.pipeline.destinations import DestinationConfig
from mem0_telemetry.pipeline.exporters import destination
from mem0_telemetry.pipeline.provider import PrivateProvider
from mem0_telemetry.pipeline.resource import runtime_metadata
from mem0_telemetry.pipeline.selection import Selection
from mem0_telemetry.policy import registry
from mem0_telemetry.policy.identity import Identity, establish
from mem0_telemetry.policy.registry import added_attributes, events
from mem0_telemetry.policy.state_file import telemetry_dir

_SHOW_AN_ACCOUNT = frozenset(event.name for event in events.OF_HOSTED_CLIENTS)
"""Whoever uses a hosted client has an account, to which Mem0 ties the id that it keeps."""


class Pipeline:
    """Where policy and mechanism meet. Built once a process; a forked child goes on with it. Thread-safe.

    Args:
        configs: the destinations.
        directory: Mem0's directory (`MEM0_DIR`); ours in it is made by whoever first writes there.
        allowed: whether telemetry is still on, None where that cannot be told now; asked before each write and send.
        exit_timeout: seconds the network may hold the process at exit.

    Attributes:
        delivery: queue, spool and senders.
    """

    def __init__(
        self,
        configs: Sequence[DestinationConfig],
        *,
        directory: str,
        allowed: Callable[[], bool | None],
        exit_timeout: float,
    ) -> None:
        self.configs = tuple(configs)
        self._directory = directory
        self.exit_timeout = exit_timeout
        self._account_shows = False
        self._sending_as: _SendingAs | None = None
        self._lock = threading.RLock()  # re-entrant: a signal handler may ask for the id
        self.delivery = Delivery(
            directory=Path(telemetry_dir(directory)),
            destinations=[destination(config) for config in configs],
            emit=self._emit,
            accept=Selection(),
            allowed=allowed,
            dropped_attributes=registry.dropped_attributes,
            thread_prefix="mem0-telemetry",
            exit_timeout=exit_timeout,
        )
        self._allowed = allowed
        atexit.register(self._leave)  # runs after the delivery's own, which is registered later

    def logger_provider(self) -> LoggerProvider:
        """Return the private provider, built now where no event has been written yet."""
        return self._current().private.provider

    def identity(self) -> Identity:
        """Return the installation id, made now where there is none yet."""
        return self._current().identity

    @property
    def installation_id(self) -> str | None:
        """Return the id that events are sent under, or None before the first."""
        current = self._sending_as  # `follow` may take it away
        return current.identity.id if current else None

    def follow(self, installation_id: str | None) -> None:
        """Send under the stored id from now on: another process may have changed it, by `reset-id` or an account."""
        current = self._sending_as
        if current is not None and not current.identity.ephemeral and installation_id != current.identity.id:
            self._sending_as = None

    def _leave(self) -> None:
        """Delete what this process wrote, where it was switched off in the last moment; whatever the exit budget is."""
        with guard("leaving"):
            if self._allowed() is False:
                self.delivery.discard()

    def _emit(self, time_ns: int, event: str, attributes: Mapping[str, AttributeValue]) -> None:
        """Emit one event. The delivery calls it on the writer's thread, inside the fork gate."""
        if event in _SHOW_AN_ACCOUNT:
            self._account_shows = True  # from here on an id seeded by Mem0 is replaced for good
        self._current().private.emit(time_ns, event, attributes)

    def _current(self) -> _SendingAs:
        """Return who we are, and the provider that says so; made anew once an account shows."""
        current = self._sending_as
        if current is None or current.account_linked != self._account_shows:
            with fork_gate.hold(), self._lock:
                current = self._sending_as
                if current is None or current.account_linked != self._account_shows:
                    current = self._sending_as = self._establish(account_linked=self._account_shows)
        return current

    def _establish(self, *, account_linked: bool) -> _SendingAs:
        identity = establish(self._directory, account_linked=account_linked)
        metadata = runtime_metadata()
        resource = registry.select_resource({**metadata, added_attributes.INSTALLATION_ID.key: identity.id})
        common = _common_attributes(identity, metadata)
        private = PrivateProvider(resource, self.delivery.processor, common)
        return _SendingAs(identity, private, account_linked=account_linked)


class _SendingAs(NamedTuple):
    """An installation id, and the private provider whose resource carries it."""

    identity: Identity
    private: PrivateProvider
    account_linked: bool


def _common_attributes(identity: Identity, metadata: Mapping[str, str]) -> Mapping[str, AttributeValue]:
    """Return what every record carries: real backends drop resources, and several runs of one spool differ."""
    service_version = added_attributes.SERVICE_VERSION.key
    return registry.select_common(
        {
            added_attributes.INSTALLATION_ID.key: identity.id,
            service_version: metadata.get(service_version),
            added_attributes.EPHEMERAL.key: identity.ephemeral,
            added_attributes.CI.key: environment_variables.is_ci(os.environ),
        }
    )
