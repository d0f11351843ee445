# SPDX-License-Identifier: Apache-2.0
"""The dry run (`MEM0_TELEMETRY_DEBUG`): print the events that would be sent; send, spool and create nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping

from mem0_telemetry.environment_variables import MEM0_TELEMETRY_DEBUG
from mem0_telemetry.policy import identity, registry
from mem0_telemetry.policy.consent import DESTINATION, Consent
from mem0_telemetry.policy.registry import Event, added_attributes

_said: set[str] = set()


def show(event: Event, attributes: Mapping[str, object], *, directory: str) -> None:
    """Print one event to stderr as a line of JSON: its attributes, the installation id if it exists, the resource."""
    if sys.stderr is None:
        return
    from mem0_telemetry.pipeline.resource import runtime_metadata  # noqa: PLC0415  # not needed when opted out

    who = identity.current(directory)
    line = {
        "event_name": event.name,
        "attributes": {**attributes, **({added_attributes.INSTALLATION_ID.key: who.id} if who else {})},
        "resource": registry.select_resource(runtime_metadata()),
    }
    print("mem0-telemetry would send:", json.dumps(line), file=sys.stderr)  # noqa: T201  # the purpose of a dry run


def show_off(decided: Consent, *, warned: bool) -> None:
    """Print to stderr why no events are shown, once per process for each cause.

    Args:
        decided: the decision that telemetry is off.
        warned: whether a warning has already named the problem of the destinations, which is then not repeated.
    """
    if sys.stderr is not None and decided.source not in _said:
        _said.add(decided.source)
        reason = "see the warning" if warned and decided.source == DESTINATION else decided.reason
        text = f"telemetry is off from here on, so nothing is shown ({decided.source}: {reason})"
        print(f"mem0-telemetry: {MEM0_TELEMETRY_DEBUG} is set, but {text}", file=sys.stderr)  # noqa: T201
