"""`instrument()` and `uninstrument()` while another thread is importing `mem0`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.processes import posthog_environ, report_of

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.exporter.posthog.testing import CaptureServer

pytestmark = pytest.mark.interpreter

PRELUDE = """
        import gc, json, sys, threading, mem0_telemetry
        # Import what these functions need, so that they do not wait for the import that the test holds up.
        import mem0_telemetry.operations
        import mem0_telemetry.api.status, mem0_telemetry.telemetry, mem0_telemetry.mem0_internals.drop_in
        from importlib.machinery import PathFinder
        reached, go_on = threading.Event(), threading.Event()
        def hold():
            if threading.current_thread() is importing and not reached.is_set():
                reached.set()
                go_on.wait(60)
        def start():
            importing.start()
            assert reached.wait(60)
        def end():
            go_on.set()
            importing.join()
        importing = threading.Thread(target=__import__, args=["mem0"])
        def is_ours(function):
            return "mem0_telemetry" in function.__code__.co_filename
"""


@pytest.mark.parametrize("at", ["mem0.utils.entity_extraction", "posthog"])
def test_instrumented_during_the_import(at: str, tmp_path: Path, server: CaptureServer) -> None:
    """All of Mem0 is instrumented, and no native client stays, even if the import was about to build one."""
    code = f"""{PRELUDE}
        class Holding:
            def find_spec(self, name, path=None, target=None):
                if name != {at!r} or threading.current_thread() is not importing:
                    return None
                spec = PathFinder.find_spec(name, path)
                run = spec.loader.exec_module
                def exec_module(module):
                    hold()
                    run(module)
                spec.loader.exec_module = exec_module
                return spec
        sys.meta_path.insert(0, Holding())
        start()
        mem0_telemetry.instrument()
        end()
        import posthog
        from mem0.client import main as client
        from mem0.memory import main
        clients = [o for o in gc.get_objects() if type(o) is posthog.Posthog and not o.disabled]
        found = mem0_telemetry.status()
        print(json.dumps([
            is_ours(main.Memory.add), is_ours(main.AsyncMemory.add), is_ours(client.MemoryClient.add),
            is_ours(main.capture_event), is_ours(client.capture_client_event), main.MEM0_TELEMETRY, len(clients),
            found.instrumented, found.operations.active, found.native_telemetry,
        ]))
    """
    report = report_of(code, posthog_environ(tmp_path, server.url))
    assert report == [True, True, True, True, True, False, 0, True, True, False]


def test_uninstrumented_during_the_import(tmp_path: Path, server: CaptureServer) -> None:
    """`uninstrument()` during the import leaves the module that is being imported as it is."""
    code = f"""{PRELUDE}
        installation = sys.modules["mem0_telemetry.operations._instrumentation"]
        version = installation._mem0_version
        def version_late():
            if "mem0.memory.main" in sys.modules:
                hold()
            return version()
        installation._mem0_version = version_late
        mem0_telemetry.instrument(usage=False)
        start()
        mem0_telemetry.uninstrument()
        end()
        from mem0.memory import main
        print(json.dumps([is_ours(main.Memory.add), mem0_telemetry.status().operations.active]))
    """
    assert report_of(code, posthog_environ(tmp_path, server.url)) == [False, False]
