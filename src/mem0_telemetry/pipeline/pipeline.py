# SPDX-License-Identifier: Apache-2.0
"""The pipeline of this process: private provider, delivery and destinations, built at the first kept event."""

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
"""Events of a hosted client. Its user has an account, to which Mem0 links the id that it stores."""


class Pipeline:
    """Connects policy and delivery. Built once per process; a forked child continues to use it. Thread-safe.

    Args:
        configs: the destinations.
        directory: Mem0's directory (`MEM0_DIR`); the first write creates our own directory in it.
        allowed: returns whether telemetry is still on, or None if unknown now; called before each write and request.
        exit_timeout: seconds that exit may wait for the network.

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
        self._lock = threading.RLock()  # re-entrant: a signal handler may read the id
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
        atexit.register(self._leave)  # runs after the delivery's own hook, which is registered later

    def logger_provider(self) -> LoggerProvider:
        """Return the private provider; build it if no event has been written yet."""
        return self._current().private.provider

    def identity(self) -> Identity:
        """Return the installation id; create it if there is none yet."""
        return self._current().identity

    @property
    def installation_id(self) -> str | None:
        """Return the id under which events are sent, or None before the first event."""
        current = self._sending_as  # read it once: `follow` may reset it meanwhile
        return current.identity.id if current else None

    def follow(self, installation_id: str | None) -> None:
        """Use the stored id from now on: `reset-id` or a hosted client in another process may have changed it."""
        current = self._sending_as
        if current is not None and not current.identity.ephemeral and installation_id != current.identity.id:
            self._sending_as = None

    def _leave(self) -> None:
        """Delete this process's events if it was switched off at the last moment, whatever the exit budget is."""
        with guard("leaving"):
            if self._allowed() is False:
                self.delivery.discard()

    def _emit(self, time_ns: int, event: str, attributes: Mapping[str, AttributeValue]) -> None:
        """Emit one event. The delivery calls this on the writer's thread, inside the fork gate."""
        if event in _SHOW_AN_ACCOUNT:
            self._account_shows = True  # from now on an id taken over from Mem0 is replaced
        self._current().private.emit(time_ns, event, attributes)

    def _current(self) -> _SendingAs:
        """Return the installation id and its provider; build both again once an event shows an account."""
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
    """Return the attributes of every record: some backends drop resources, and a spool holds records of many runs."""
    service_version = added_attributes.SERVICE_VERSION.key
    return registry.select_common(
        {
            added_attributes.INSTALLATION_ID.key: identity.id,
            service_version: metadata.get(service_version),
            added_attributes.EPHEMERAL.key: identity.ephemeral,
            added_attributes.CI.key: environment_variables.is_ci(os.environ),
        }
    )
