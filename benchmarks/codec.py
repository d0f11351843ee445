# SPDX-License-Identifier: Apache-2.0
"""Compare our OTLP/JSON codec with upstream's, in one process that has imported Mem0.

Print the CPU time of importing each codec, and of encoding and decoding a record (500 records of `mem0.search` with 16
attributes, medians of interleaved runs). Run `pip install opentelemetry-exporter-otlp-json-common` first: only this
benchmark needs it.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
import uuid
from collections.abc import Callable

os.environ["MEM0_TELEMETRY"] = "False"

RECORDS = 500
RUNS = 15
ATTRIBUTES = {
    "function": "mem0.memory.main.Memory.v1.1",
    "sync_type": "sync",
    "version": "v1.1",
    "sample_rate": 0.1,
    "vector_store": "mem0.vector_stores.qdrant.Qdrant",
    "vector_size": 1536,
    "history_store": "sqlite",
    "llm": "mem0.llms.openai.OpenAILLM",
    "embedding_model": "mem0.embeddings.openai.OpenAIEmbedding",
    "keys": ("user_id",),
    "limit": 20,
    "threshold": 0.1,
    "explain": False,
    "advanced_filters": False,
    "app.installation.id": "8996b5a1-f38a-4889-9758-d645cd76b796",
}


def imported(name: str) -> str:
    """Import a module; return the CPU time and the number of modules loaded."""
    modules, begun = len(sys.modules), time.process_time()
    __import__(name)
    return f"{(time.process_time() - begun) * 1e3:.1f} ms, {len(sys.modules) - modules} modules"


def main() -> None:
    """Run both codecs in turn, and print the medians."""
    import mem0  # noqa: F401  # Load its dependencies before either codec.
    from opentelemetry._logs import LogRecord, SeverityNumber
    from opentelemetry.attributes import BoundedAttributes
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    print("import, upstream:", imported("opentelemetry.exporter.otlp.json.common._log_encoder"))
    print("import, ours:    ", imported("mem0_telemetry.delivery"))

    from opentelemetry.exporter.otlp.json.common._log_encoder import encode_logs
    from opentelemetry.proto_json.collector.logs.v1.logs_service import ExportLogsServiceRequest

    from mem0_telemetry.delivery._decode import decode
    from mem0_telemetry.delivery._encode import encode, line_of

    resource = Resource({"service.name": "mem0", "service.version": "2.2.1", "os.type": "linux"})
    scope = InstrumentationScope("mem0_telemetry", "0.1.0")

    def record() -> ReadableLogRecord:
        attributes = BoundedAttributes(
            attributes={**ATTRIBUTES, "log.record.uid": str(uuid.uuid4())}, immutable=False
        )
        now = time.time_ns()
        log = LogRecord(
            timestamp=now,
            observed_timestamp=now,
            severity_number=SeverityNumber.INFO,
            body="mem0.search",
            attributes=attributes,
            event_name="mem0.search",
        )
        return ReadableLogRecord(log, resource, scope)

    records = [record() for _ in range(RECORDS)]
    line = line_of((each, encode(each)) for each in records)
    text = encode_logs(records).to_json()
    work: dict[str, Callable[[], object]] = {
        "encode, ours": lambda: line_of((each, encode(each)) for each in records),
        "encode, upstream": lambda: encode_logs(records).to_json().encode(),
        "decode, ours, to the SDK's records": lambda: decode(line),
        "decode, upstream, to its own classes": lambda: ExportLogsServiceRequest.from_json(text),
    }
    taken: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(RUNS):
        for name, function in work.items():
            begun = time.process_time()
            function()
            taken[name].append((time.process_time() - begun) / RECORDS * 1e6)
    for name, values in taken.items():
        print(f"{name:38} {statistics.median(values):6.1f} µs a record")


if __name__ == "__main__":
    main()
