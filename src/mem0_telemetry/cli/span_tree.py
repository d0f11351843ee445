# SPDX-License-Identifier: Apache-2.0
"""Format finished spans as a tree of text lines, with durations.

`python -m mem0_telemetry.cli.span_tree` prints the trees of one `add` and one `search` of real Mem0 with fake models,
in an application that has its own OpenTelemetry SDK.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import mem0_telemetry
from opentelemetry import trace


def _took(span: ReadableSpan) -> str:
    """Return the duration of a span and, if it failed, the type of its error."""
    milliseconds = ((span.end_time or 0) - (span.start_time or 0)) / 1e6
    error = (span.attributes or {}).get("error.type")
    return f"{milliseconds:.1f} ms" + (f"  ! {error}" if error else "")


def lines(spans: Iterable[ReadableSpan], describe: Callable[[ReadableSpan], str] = _took) -> Iterator[str]:
    """Yield a line for each span, the oldest root or child first; `describe` returns the text after its name.

    A span whose parent is not among `spans` is drawn as a root.
    """
    ordered = sorted(spans, key=lambda span: span.start_time or 0)
    known = {span.context.span_id for span in ordered}
    children: dict[int | None, list[ReadableSpan]] = {}
    for span in ordered:
        parent = span.parent.span_id if span.parent is not None else None
        children.setdefault(parent if parent in known else None, []).append(span)

    def branch(span: ReadableSpan, first: str, rest: str) -> Iterator[str]:
        yield f"{first}{span.name}  {describe(span)}".rstrip()
        below = children.get(span.context.span_id, [])
        for child in below[:-1]:
            yield from branch(child, f"{rest}├─ ", f"{rest}│  ")
        for child in below[-1:]:
            yield from branch(child, f"{rest}└─ ", f"{rest}   ")

    for root in children.get(None, ()):
        yield from branch(root, "", "")


def main() -> None:
    """Run the two operations and print their trees."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    mem0_telemetry.instrument()
    import mem0  # noqa: PLC0415  # after `instrument()`, as in the README

    from mem0_telemetry.cli.harness.fake_models import configuration  # noqa: PLC0415  # It imports mem0.

    memory = mem0.Memory.from_config(configuration(Path("memory")))
    memory.add([{"role": "user", "content": "I prefer green tea."}], user_id="demo-user")
    memory.search("tea", filters={"user_id": "demo-user"})
    print("\n".join(lines(exporter.get_finished_spans())))


if __name__ == "__main__":
    main()
