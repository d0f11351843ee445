# SPDX-License-Identifier: Apache-2.0
"""A pytest plugin for projects that instrument with this package: `pytest -p mem0_telemetry.testing`.

pytest never loads it by itself. During a test, its setup and its teardown, the plugin captures all usage events in
memory, without sampling. Nothing is sent or stored, whatever the environment says. A test fails if Mem0's code or your
own records an event that the registry does not contain: a user's process would drop it.

The fixture `mem0_events` is the list of captured events. As in an application, nothing is recorded until you call
`mem0_telemetry.instrument()`, for instance in `conftest.py`. Events of processes that a test starts are not captured:
telemetry is off there, unless the environment contains `MEM0_TELEMETRY=true`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from mem0_telemetry import telemetry
from mem0_telemetry.policy.consent import Consent
from mem0_telemetry.policy.registry import Event
from mem0_telemetry.usage.current import usage
from mem0_telemetry.usage.recorder import Recorder
from mem0_telemetry.usage.switches import Switches

if TYPE_CHECKING:
    from mem0_telemetry.policy.registry.types import AttributeValue

__all__ = ["CapturedEvent", "mem0_events"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedEvent:
    """One event, as an application would enqueue it."""

    name: str
    """Its event name in OpenTelemetry."""
    posthog_name: str
    """Its name in PostHog, which Mem0's code passes to `capture_event`."""
    attributes: Mapping[str, AttributeValue]
    """Its selected attributes, by their OpenTelemetry keys."""


@pytest.fixture
def mem0_events(request: pytest.FixtureRequest) -> list[CapturedEvent]:
    """Return the usage events of this test so far, oldest first. The list grows during the test."""
    capture: _Capture = request.node.stash[_capture]
    return capture.events


class _On(Switches):
    """Switches that only `set_enabled` and the flags turn off. Nothing is sent, so no other source matters."""

    def decide(self, *, read_state: bool = True) -> Consent:  # noqa: ARG002  # no stored choice matters here
        """Return a consent that is on."""
        self.off = self._switched_off
        self._consent = Consent(enabled=True, source=__name__, reason="captured by the pytest plugin")
        return self._consent

    def leaves_off(self) -> bool:
        """Return True: in a test, Mem0's own telemetry must not send either."""
        return True


class _Capture(Recorder):
    """A recorder that only keeps the events in memory."""

    def __init__(self, switches: Switches) -> None:
        super().__init__(switches)
        self.events: list[CapturedEvent] = []
        self.unregistered: list[str] = []

    def enqueue(self, event: Event, attributes: Mapping[str, AttributeValue]) -> None:
        """Append the event to the list."""
        self.events.append(
            CapturedEvent(name=event.name, posthog_name=event.posthog_name, attributes=attributes)
        )

    def drop_unregistered(self, name: object) -> None:
        """Keep the name, so that the test fails."""
        super().drop_unregistered(name)
        self.unregistered.append(name if type(name) is str else type(name).__name__)

    def ensure_pipeline(self) -> None:
        """Do nothing: a test needs no pipeline."""


_capture = pytest.StashKey[_Capture]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Make the drop-in and the package's functions use our recorder during the whole test."""
    before = usage.recorder
    capture = _Capture(_On(before.switches.flags))
    settings = {name: vars(telemetry)[name] for name in ("MEM0_TELEMETRY", "MEM0_TELEMETRY_SAMPLE_RATE")}
    vars(telemetry).update(MEM0_TELEMETRY=True, MEM0_TELEMETRY_SAMPLE_RATE=1.0)
    usage.use(capture)
    item.stash[_capture] = capture
    try:
        return (yield)
    finally:
        usage.use(before)
        vars(telemetry).update(settings)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Fail a test that recorded an unregistered event before its end, or in its teardown."""
    yield
    unregistered = item.stash[_capture].unregistered
    names = ", ".join(repr(name) for name in dict.fromkeys(unregistered))
    unregistered.clear()
    if names:
        pytest.fail(
            f"not in the registry of mem0-telemetry, so it would be dropped: {names}. Declare it in "
            "mem0_telemetry/policy/registry (CONTRIBUTING.md, Add an event).",
            pytrace=False,
        )


pytest_runtest_teardown = pytest_runtest_call
