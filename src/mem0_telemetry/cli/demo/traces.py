"""One `add` and one `search` of real Mem0, in an application with an SDK of its own; prints the span trees."""

from __future__ import annotations

import sys
from pathlib import Path

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import mem0_telemetry
from mem0_telemetry.cli import span_tree
from opentelemetry import trace


def main() -> int:
    """Run the two operations and print their trees."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    mem0_telemetry.instrument()
    import mem0  # noqa: PLC0415  # after `instrument()`, as the README has it

    from mem0_telemetry.cli.harness.fake_models import configuration  # noqa: PLC0415  # imports mem0

    owner = {"user_id": "demo-user"}
    memory = mem0.Memory.from_config(configuration(Path("memory")))
    memory.add([{"role": "user", "content": "I prefer green tea."}], **owner)
    memory.search("tea", filters=owner)
    print("\n".join(span_tree.lines(exporter.get_finished_spans())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
