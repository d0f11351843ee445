"""Where and when Mem0's classes are instrumented, and how all of it is taken back."""

from __future__ import annotations

import sys

from mem0_telemetry.base.lock import ForkSafeLock
from mem0_telemetry.mem0_internals import operations as mem0
from mem0_telemetry.mem0_internals.import_hook import forget, when_imported
from mem0_telemetry.operations._settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from mem0_telemetry.operations._patches import Patches
    from mem0_telemetry.operations._recorder import Recorder
    from mem0_telemetry.operations._settings import RequestHook, ResponseHook

_TRACE_API = "opentelemetry.trace"


class Instrumentation:
    """The wrappers on Mem0's classes in one process: off, waiting for `mem0` to be imported, or active."""

    def __init__(self) -> None:
        self._settings = Settings()
        self._installed = False
        self._patches: Patches | None = None
        self._recorder: Recorder | None = None
        self._unsupported = ""
        self._lock = ForkSafeLock()

    def install(
        self,
        *,
        tracer_provider: TracerProvider | None,
        meter_provider: MeterProvider | None,
        request_hook: RequestHook | None,
        response_hook: ResponseHook | None,
    ) -> None:
        self._settings.update(
            tracer_provider=tracer_provider,
            meter_provider=meter_provider,
            request_hook=request_hook,
            response_hook=response_hook,
        )
        if self._installed:
            return  # the hooks are there, and would run once more for modules that are loaded
        self._installed = True
        for name in mem0.CLASSES:
            when_imported(name, self._instrument)

    def remove(self) -> None:
        self._installed = False
        for name in mem0.CLASSES:
            forget(name, self._instrument)
        with self._lock.of_this_process():  # another thread may be in `_instrument`, at the end of its import
            if self._recorder is not None:
                self._recorder.stop()
                forget(_TRACE_API, self._recorder.prepare)
            if self._patches is not None:
                self._patches.restore()
            self._recorder = self._patches = None
            self._unsupported = ""
            self._settings = Settings()

    def state(self) -> tuple[bool, str]:
        if not self._installed:
            return False, "operations are not instrumented"
        if self._unsupported:
            return False, self._unsupported
        if self._recorder is None:
            return False, "waiting for mem0 to be imported"
        return True, f"instrumenting mem0ai {_mem0_version()}, recording {self._recorder.signals()}"

    def _instrument(self, module: ModuleType) -> None:
        """Replace the methods of a module's classes; called once that module's own code has run."""
        version = _mem0_version()
        if version.partition(".")[0] != mem0.SUPPORTED_GENERATION:
            self._unsupported = f"operations need mem0ai {mem0.SUPPORTED_GENERATION}.x, this is {version}"
            return
        # Imported here, not above: these need `typing` and the like, which an instrumented Mem0 has long
        # imported.
        from mem0_telemetry.operations import _patches, _recorder  # noqa: PLC0415

        with self._lock.of_this_process():
            if not self._installed:  # removed while it was imported
                return
            if self._patches is None or self._recorder is None:
                self._patches = _patches.Patches()
                self._recorder = _recorder.Recorder(self._settings, self._patches)
            _replace(module, self._patches, self._recorder)
            when_imported(_TRACE_API, self._recorder.prepare)


def _replace(module: ModuleType, patches: Patches, recorder: Recorder) -> None:
    from mem0_telemetry.operations import _threads, _wrappers  # noqa: PLC0415  # as above

    for class_name in mem0.CLASSES[module.__name__]:
        cls = getattr(module, class_name, None)
        for name in mem0.METHODS:
            original = getattr(cls, "__dict__", {}).get(name)
            if _wrappers.is_method(original):
                patches.replace(cls, name, recorder.wrapper(original, module.__name__, class_name, name))
    pools = mem0.POOLS.get(module.__name__)
    if pools in vars(module):
        patches.replace(module, pools, _threads.carrying_context(vars(module)[pools]))


def _mem0_version() -> str:
    return str(getattr(sys.modules.get("mem0"), "__version__", "of an unknown release"))
