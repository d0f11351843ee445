"""Third-party exporters, found by their entry point: their results, and the warning if one cannot be built."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.processes import clean_environ, report_of, run_python

if TYPE_CHECKING:
    from pathlib import Path

EXPORTER = """
import warnings
from opentelemetry.sdk._logs.export import LogRecordExporter
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from opentelemetry.sdk._logs.export import LogExportResult

class Exporter(LogRecordExporter):
    exports = 0
    def __init__(self): {init}
    def export(self, batch):
        Exporter.exports += 1
        return {answer}
    def shutdown(self): pass
    def force_flush(self, timeout_millis=0): return True
"""
PROGRAM = """
import json, mem0_telemetry
from mem0_telemetry import telemetry
telemetry.capture_event("mem0.init", object(), {"sync_type": "sync"})
first = mem0_telemetry.flush(60)
telemetry.capture_event("mem0.init", object(), {"sync_type": "async"})
done = first and mem0_telemetry.flush(60)
import theirs
status = mem0_telemetry.status()
print(json.dumps([done, theirs.Exporter.exports, status.sent, status.destinations[0].state]))
"""


def installed(tmp_path: Path, *, init: str = "pass", answer: str = "None") -> dict[str, str]:
    """Install an exporter `theirs`; return an environment that chooses it."""
    metadata = tmp_path / "site" / "theirs-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[opentelemetry_logs_exporter]\ntheirs = theirs:Exporter\n")
    (tmp_path / "site" / "theirs.py").write_text(EXPORTER.format(init=init, answer=answer))
    environ = clean_environ(tmp_path, MEM0_TELEMETRY="true", MEM0_TELEMETRY_EXPORTER="theirs")
    environ["PYTHONPATH"] += f":{tmp_path / 'site'}"
    return environ


@pytest.mark.parametrize("answer", ["LogExportResult.SUCCESS", "None"])
def test_successful_batch_is_not_resent(answer: str, tmp_path: Path) -> None:
    """A result of the former class, or None (the SDK's processors ignore results), is a success: no batch is resent."""
    assert report_of(PROGRAM, installed(tmp_path, answer=answer)) == [True, 2, 2, "ok"]


def test_exporter_cannot_change_what_posthog_gets(tmp_path: Path) -> None:
    """A third-party exporter that changes its records changes nothing in the request to PostHog."""
    program = """
        import json, os, time, theirs
        from opentelemetry.exporter.posthog.testing import Answer, CaptureServer
        with CaptureServer() as server:
            os.environ["MEM0_TELEMETRY_POSTHOG_HOST"] = server.url
            server.answer_always(Answer(status=503))  # so that the last request follows the other export
            import mem0_telemetry
            from mem0_telemetry import telemetry
            telemetry.capture_event("mem0.init", object(), {"sync_type": "sync"})
            deadline = time.monotonic() + 60
            while not (theirs.Exporter.exports and server.requests) and time.monotonic() < deadline:
                time.sleep(0.01)
            server.answer_always(Answer())
            done = mem0_telemetry.flush(60)
            bodies = [json.loads(server.requests[index].body)["batch"] for index in (0, -1)]
        print(json.dumps([done, len(server.requests) > 1, bodies[0] == bodies[1], str(bodies).count("theirs")]))
    """
    changing = "[record.log_record.attributes.update(sync_type='theirs') for record in batch] and None"
    environ = installed(tmp_path, answer=changing)
    environ.update(MEM0_TELEMETRY_EXPORTER="posthog,theirs", MEM0_TELEMETRY_POSTHOG_API_KEY="phc_test")
    assert report_of(program, environ) == [True, True, True, 0]


def test_exporter_that_cannot_be_built_causes_a_warning(tmp_path: Path) -> None:
    """One WARNING names the destination and the exception's class, not its message: it may be secret. Events wait."""
    program = """
        import logging, mem0_telemetry
        from mem0_telemetry import telemetry
        logging.basicConfig(format="%(levelname)s %(message)s")
        telemetry.capture_event("mem0.init", object(), {"sync_type": "sync"})
        for _ in range(2):
            assert not mem0_telemetry.flush(1)
        assert mem0_telemetry.status().destinations[0].waiting == 1
    """
    result = run_python(program, installed(tmp_path, init="raise ValueError('secret')"), listening=False)
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("WARNING Mem0 usage telemetry: theirs cannot be used (ValueError).")
    assert "secret" not in result.stderr
