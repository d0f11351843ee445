# SPDX-License-Identifier: Apache-2.0
"""Drop-in for `mem0.memory.telemetry`: the same names and signatures, on OpenTelemetry.

`instrument()` makes this module object *be* `mem0.memory.telemetry`. Nothing here raises into Mem0, prints, or uses
the network; if telemetry is off, `capture_event` and `capture_client_event` return at their first line.
`importlib.reload` loses no state: it is in `mem0_telemetry.usage.current`, or read again from `globals()`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from mem0_telemetry import environment_variables as _env
from mem0_telemetry.environment_variables import says_on as _says_on
from mem0_telemetry.mem0_internals import instance as _instance
from mem0_telemetry.mem0_internals import native_module as _native_module
from mem0_telemetry.mem0_internals.ownership import is_ours as _is_ours
from mem0_telemetry.mem0_internals.user_id import stored_user_id as _stored_user_id
from mem0_telemetry.pipeline.destinations import VENDOR_API_KEY as PROJECT_API_KEY
from mem0_telemetry.pipeline.destinations import VENDOR_HOST as HOST
from mem0_telemetry.usage.current import usage as _usage

__all__ = [
    "FEATURE_FLAGS_REQUEST_TIMEOUT_SECONDS",
    "HOST",
    "MEM0_TELEMETRY",
    "MEM0_TELEMETRY_SAMPLE_RATE",
    "PROJECT_API_KEY",
    "AnonymousTelemetry",
    "capture_client_event",
    "capture_event",
    "client_telemetry",
    "get_or_create_user_id",
]

FEATURE_FLAGS_REQUEST_TIMEOUT_SECONDS = 0.5
"""Read by Mem0's notices; no feature flag is ever requested."""

# Read `globals()` first: a reload must keep the value that a program has assigned.
MEM0_TELEMETRY: bool = globals().get(
    "MEM0_TELEMETRY", _env.MEM0_TELEMETRY not in os.environ or _env.is_explicitly_on(os.environ)
)
"""The run-time switch of Mem0's guide: `False` switches off from the next call on; `True` only withdraws that.

A string is read like the variable; any other value is off.
"""

MEM0_TELEMETRY_SAMPLE_RATE: float = globals().get(
    "MEM0_TELEMETRY_SAMPLE_RATE", _env.number(os.environ, _env.MEM0_TELEMETRY_SAMPLE_RATE)
)
"""Share of the hot events of `Memory` that is kept, in [0, 1]."""


def capture_event(
    event_name: str, memory_instance: object, additional_data: dict[str, Any] | None = None
) -> None:
    """Record an event of a `Memory` or `AsyncMemory`. Never raises or does I/O; docs/benchmarks.md has costs.

    Never waits, except in a forked child: its first ten events wait until they are on disk, 0.5 s at most.
    """
    if _usage.switches.off or not _says_on(MEM0_TELEMETRY):
        return
    _usage.recorder.observe(
        event_name, memory_instance, additional_data, _observed_of_memory, MEM0_TELEMETRY_SAMPLE_RATE
    )


def capture_client_event(
    event_name: str, instance: object, additional_data: dict[str, Any] | None = None
) -> None:
    """Record an event of a hosted client. Never sampled; otherwise like `capture_event`."""
    if _usage.switches.off or not _says_on(MEM0_TELEMETRY):
        return
    _usage.recorder.observe(event_name, instance, additional_data, _observed_of_client, 1.0)


def _observed_of_memory(memory: object) -> dict[str, object] | None:
    """Read `memory`; return None if the application has replaced an object that Mem0 would pass the event to."""
    if (AnonymousTelemetry, _get_oss_telemetry, _own_class.__init__, _own_class.capture_event) != _own:
        return None
    return _instance.observed_of_memory(memory)


def _observed_of_client(client: object) -> dict[str, object] | None:
    """Read `client`; return None if the application has replaced `client_telemetry`."""
    return _instance.observed_of_client(client) if _is_ours(client_telemetry) else None


class _InertClient:
    """Replaces Mem0's PostHog client: it has the methods that Mem0 calls, which do nothing."""

    _is_part_of_mem0_telemetry = True

    def capture(self, *_: object, **__: object) -> None:
        """Do nothing."""

    def flush(self) -> None:
        """Do nothing."""

    def shutdown(self) -> None:
        """Do nothing."""


class AnonymousTelemetry:
    """Mem0's telemetry object, without a client of its own.

    Attributes:
        posthog: an inert client; None if telemetry is off. An assignment to it, or `close`, silences this object.
    """

    def __init__(self, vector_store: object = None, before_send: Callable[..., object] | None = None) -> None:  # noqa: ARG002
        """Build no client and ignore Mem0's arguments: no id goes into a vector store, and sampling happens earlier."""
        on = _says_on(MEM0_TELEMETRY) and not _usage.switches.off
        vars(self)["posthog"] = _InertClient() if on else None

    @property
    def posthog(self) -> Any:
        """Return the client that Mem0 checks before it sends."""
        return vars(self).get("posthog")

    @posthog.setter
    def posthog(self, value: object) -> None:
        """Keep the application's object, and mark it as such: Mem0's own code would pass its events to that object."""
        vars(self).update(posthog=value, is_replaced=True)

    @property
    def user_id(self) -> str | None:
        """Return the installation id, or None if there is none yet. Reading it creates nothing."""
        return None if self.posthog is None else _usage.recorder.installation_id()

    @user_id.setter
    def user_id(self, _: object) -> None:
        """Ignore the assigned id without an error, because Mem0's own object allows the assignment."""

    def capture_event(
        self,
        event_name: str,
        properties: dict[str, Any] | None = None,
        user_email: str | None = None,  # noqa: ARG002  # never read
        flags: object = None,  # noqa: ARG002  # never read
    ) -> None:
        """Record an event that has no instance. `user_email` and `flags` are ignored."""
        if self.posthog is None or _usage.switches.off or not _says_on(MEM0_TELEMETRY):
            return
        _usage.recorder.observe(
            event_name, None, properties, _instance.observed_of_nothing, MEM0_TELEMETRY_SAMPLE_RATE
        )

    def capture_identify(self, anon_id: str | None, email: str | None) -> bool:  # noqa: ARG002
        """Return False: our id is never linked to an e-mail address."""
        return False

    def close(self) -> None:
        """Silence this object, and no other."""
        self.posthog = None


_own_class = AnonymousTelemetry
client_telemetry = globals()["client_telemetry"] if "client_telemetry" in globals() else AnonymousTelemetry()
_oss_telemetry_instance = None
_oss_telemetry_shutting_down = False


def _get_oss_telemetry() -> None:
    """Return None, so that Mem0 shows no notices."""


_own = (_own_class, _get_oss_telemetry, _own_class.__init__, _own_class.capture_event)
_is_part_of_mem0_telemetry = True


def _shutdown_oss_telemetry() -> None:
    """Do nothing: there is no native client."""


def get_or_create_user_id(vector_store: Any = None) -> str | None:
    """Return the installation id; create it if there is none yet. Return None if telemetry is off.

    Args:
        vector_store: optional, as in Mem0: a store in which the id is kept as a separate record; an id that it already
            contains is returned. Not used if telemetry is off.
    """
    user_id = _usage.recorder.make_installation_id()
    if user_id is None or vector_store is None:
        return user_id
    return _stored_user_id(vector_store, user_id)


def __getattr__(name: str) -> Any:
    """Return an unknown name from Mem0's own module, which is executed privately and opted out."""
    if name.startswith("__"):
        raise AttributeError(name)
    if name == "Posthog":
        return _InertClient  # nothing calls it; tests patch it in Mem0's module, which may be this one
    return _native_module.native_attribute(name)


_usage.enter(globals())
