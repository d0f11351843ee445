"""Run the code in docs/deployment.md as it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.reader import ROOT, blocks

if TYPE_CHECKING:
    from opentelemetry.exporter.posthog.testing import CaptureServer
    from support.reader import Reader

CALL = 'python -c \'import handler; handler.handler(dict(text="I prefer green tea.", user="alice"), None)\''


def test_serverless_handler(reader: Reader, server: CaptureServer) -> None:
    """The handler delivers its events before it returns, because a serverless process may never reach its exit."""
    handler, _ = blocks(ROOT / "docs" / "deployment.md", section="Serverless")
    reader.write(handler)
    reader.environ.update(MEM0_DIR=str(reader.directory / "mem0"), MEM0_TELEMETRY_EXIT_TIMEOUT="0")
    reader.shell(CALL)
    assert {event["event"] for event in server.events} == {"mem0.init", "mem0.add"}
