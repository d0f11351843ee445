# SPDX-License-Identifier: Apache-2.0
"""A local PostHog: print each event as it arrives, and what PostHog would find wrong with it.

Run `python -m opentelemetry.exporter.posthog.testing [--port 8000] [--json]`; `--port 0` picks a free port. Send to
the address that it prints, with any API key. It answers every request with 200, stores nothing, and ends with Ctrl-C.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from opentelemetry.exporter.posthog._check import check_batch
from opentelemetry.exporter.posthog.testing._server import CapturedRequest, CaptureServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m opentelemetry.exporter.posthog.testing",
        description=(__doc__ or "").partition("\n")[0],
    )
    parser.add_argument("--port", type=int, default=8000, help="the port on 127.0.0.1; 0 picks a free one")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
    given = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):  # show each event at once; escape what stdout cannot encode
        sys.stdout.reconfigure(errors="backslashreplace", line_buffering=True)
    try:
        server = CaptureServer(port=given.port, keep=False)
    except (OSError, OverflowError) as error:
        parser.exit(1, f"Port {given.port} cannot be used: {error}. Choose another by --port.\n")
    lines_of = _as_json if given.json else _as_text
    address = f"PostHog on this machine: {server.url} (Ctrl-C ends it)"
    with server, suppress(KeyboardInterrupt, BrokenPipeError):
        sys.stdout.write((json.dumps({"address": server.url}) if given.json else address) + "\n")
        while True:
            for line in lines_of(server.next_request()):
                sys.stdout.write(line + "\n")
    return 0


def _findings(request: CapturedRequest) -> tuple[list[tuple[Any, list[str]]], list[str]]:
    """Return each item of the batch with its violations, and the violations of the request itself."""
    items: list[tuple[Any, list[str]]] = (
        [(item, []) for item in request.json()["batch"]] if request.events else []
    )
    of_the_request: list[str] = []
    for violation in check_batch(request.body):
        match = re.fullmatch(r"event (\d+): (.*)", violation, re.DOTALL)
        if match and items:
            items[int(match[1])][1].append(match[2])
        else:
            of_the_request.append(violation)
    return items, of_the_request


def _as_json(request: CapturedRequest) -> Iterator[str]:
    items, of_the_request = _findings(request)
    for event, violations in items:
        yield json.dumps({"event": event, "violations": violations})
    for violation in of_the_request:
        yield json.dumps({"request": request.path, "violations": [violation]})


def _as_text(request: CapturedRequest) -> Iterator[str]:
    bold, red, plain = ("\033[1m", "\033[31m", "\033[0m") if sys.stdout.isatty() else ("", "", "")
    items, of_the_request = _findings(request)
    for violation in of_the_request:
        yield f"{red}{request.method} {request.path}: {violation}{plain}"
    for event, violations in items:
        if isinstance(event, dict):
            yield f"{bold}{event.get('event')}{plain}  of {event.get('distinct_id')}  at {event.get('timestamp')}"
        else:
            yield f"{bold}{json.dumps(event)}{plain}"
        properties = event.get("properties") if isinstance(event, dict) else None
        if isinstance(properties, dict):
            yield from (f"    {name}: {json.dumps(value)}" for name, value in properties.items())
        yield from (f"    {red}wrong: {violation}{plain}" for violation in violations)


if __name__ == "__main__":
    sys.exit(main())
