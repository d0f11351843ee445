"""A local PostHog: print each event as it arrives, and what PostHog would find wrong with it.

`python -m opentelemetry.exporter.posthog.testing [--port 8000] [--json]`; `--port 0` picks a free one. Send to the
address that it prints, with any key. It answers as PostHog does, keeps nothing, and ends with Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from typing import TYPE_CHECKING, Any

from opentelemetry.exporter.posthog._check import check_batch
from opentelemetry.exporter.posthog.testing._server import CapturedRequest, CaptureServer

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m opentelemetry.exporter.posthog.testing",
        description=(__doc__ or "").partition("\n")[0],
    )
    parser.add_argument("--port", type=int, default=8000, help="the port on 127.0.0.1; 0 picks a free one")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
    given = parser.parse_args(arguments)
    try:
        server = CaptureServer(port=given.port, keep=False)
    except (OSError, OverflowError) as error:
        parser.exit(1, f"Port {given.port} cannot be used: {error}. Choose another by --port.\n")
    with server:
        address = (
            {"address": server.url}
            if given.json
            else f"PostHog on this machine: {server.url} (Ctrl-C ends it)"
        )
        _print(json.dumps(address) if given.json else str(address))
        try:
            while True:
                request = server.next_request()
                for line in (
                    _as_json(request) if given.json else _as_text(request, colour=sys.stdout.isatty())
                ):
                    _print(line)
        except (KeyboardInterrupt, BrokenPipeError):
            return 0


def _print(line: str) -> None:
    sys.stdout.write(
        line.encode(sys.stdout.encoding or "utf-8", "backslashreplace").decode(sys.stdout.encoding) + "\n"
    )
    sys.stdout.flush()


def _findings(request: CapturedRequest) -> tuple[list[dict[str, Any]], dict[int, list[str]], list[str]]:
    """Return the events of a request, what is wrong with each, and what is wrong with all of it."""
    of_event: dict[int, list[str]] = {}
    of_request: list[str] = []
    for violation in check_batch(request.body):
        match = re.fullmatch(r"event (\d+): (.*)", violation, re.DOTALL)
        if match:
            of_event.setdefault(int(match[1]), []).append(match[2])
        else:
            of_request.append(violation)
    return request.events, of_event, of_request


def _as_json(request: CapturedRequest) -> list[str]:
    events, of_event, of_request = _findings(request)
    lines = [{"event": event, "violations": of_event.get(place, [])} for place, event in enumerate(events)]
    return [
        json.dumps(line)
        for line in [*lines, *({"request": request.path, "violations": [one]} for one in of_request)]
    ]


def _as_text(request: CapturedRequest, *, colour: bool) -> list[str]:
    bold, red, plain = ("\033[1m", "\033[31m", "\033[0m") if colour else ("", "", "")
    events, of_event, of_request = _findings(request)
    lines = [f"{red}{request.method} {request.path}: {one}{plain}" for one in of_request]
    for place, event in enumerate(events):
        lines.append(
            f"{bold}{event.get('event')}{plain}  of {event.get('distinct_id')}  at {event.get('timestamp')}"
        )
        properties = event.get("properties")
        if isinstance(properties, dict):
            lines += [f"    {name}: {json.dumps(value)}" for name, value in properties.items()]
        lines += [f"    {red}wrong: {one}{plain}" for one in of_event.get(place, [])]
    return lines


if __name__ == "__main__":
    sys.exit(main())
