# SPDX-License-Identifier: Apache-2.0
"""`MEM0_TELEMETRY_DEBUG`: print what would be sent; send, spool and create nothing."""

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
    """Print one event to stderr as a line of JSON: what its record and its resource would carry.

    An installation id that does not exist yet is not made: it is then missing.
    """
    if sys.stderr is None:
        return
    from mem0_telemetry.pipeline.resource import runtime_metadata  # noqa: PLC0415  # nobody else needs it when opted out

    who = identity.current(directory)
    line = {
        "event_name": event.name,
        "attributes": {**attributes, **({added_attributes.INSTALLATION_ID.key: who.id} if who else {})},
        "resource": registry.select_resource(runtime_metadata()),
    }
    print("mem0-telemetry would send:", json.dumps(line), file=sys.stderr)  # noqa: T201  # what it is for


def show_off(decided: Consent, *, warned: bool) -> None:
    """Print once a process for each cause, to stderr, why there is nothing to be shown.

    Args:
        decided: telemetry is off, and why.
        warned: a warning has said what is wrong with the destinations, which is not repeated.
    """
    if sys.stderr is not None and decided.source not in _said:
        _said.add(decided.source)
        reason = "see the warning" if warned and decided.source == DESTINATION else decided.reason
        text = f"telemetry is off from here on, so nothing is shown ({decided.source}: {reason})"
        print(f"mem0-telemetry: {MEM0_TELEMETRY_DEBUG} is set, but {text}", file=sys.stderr)  # noqa: T201
