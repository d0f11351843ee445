# SPDX-License-Identifier: Apache-2.0
"""Instrument Mem0's classes once they are imported, and restore them."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

from mem0_telemetry.base.lock import ForkSafeLock
from mem0_telemetry.mem0_internals import operations as mem0
from mem0_telemetry.mem0_internals.import_hook import forget, when_imported
from mem0_telemetry.operations import _semconv
from mem0_telemetry.operations._calls import Method, RequestHook, ResponseHook
from mem0_telemetry.operations._recorder import Recorder
from mem0_telemetry.operations._threads import carrying_context
from mem0_telemetry.operations._wrappers import Begin, is_method, recorded

if TYPE_CHECKING:  # the application must import it first
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

_TRACE_API = "opentelemetry.trace"


class Instrumentation:
    """The wrappers on Mem0's classes in one process: off, waiting for `mem0` to be imported, or active."""

    def __init__(self) -> None:
        self._lock = ForkSafeLock()
        self._reset()

    def _reset(self) -> None:
        self._installed = False
        self._obstacle = "operations are not instrumented"
        self._recorder = Recorder()

    def install(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        request_hook: RequestHook | None = None,
        response_hook: ResponseHook | None = None,
    ) -> None:
        """Record Mem0's operations from now on, whether Mem0 is already imported or is imported later.

        Idempotent, silent and thread-safe. A second call changes only the settings that it passes. The arguments
        are those of `mem0_telemetry.instrument` (docs/operations.md).
        """
        given = {
            "tracer_provider": tracer_provider,
            "meter_provider": meter_provider,
            "request_hook": request_hook,
            "response_hook": response_hook,
        }
        for name, value in given.items():
            if value is not None:
                setattr(self._recorder.settings, name, value)
        if self._installed:
            return  # the hooks are registered, and `_obstacle` is up to date
        self._installed = True
        self._obstacle = "waiting for mem0 to be imported"
        for name in mem0.CLASSES:
            when_imported(name, self._instrument)

    def remove(self) -> None:
        """Restore everything as it was before `install`. Idempotent. Operations in progress still end their spans."""
        self._installed = False
        for name in mem0.CLASSES:
            forget(name, self._instrument)
        with self._lock.of_this_process():  # another thread may be in `_instrument`, after an import
            forget(_TRACE_API, self._recorder.prepare)
            self._recorder.patches.restore()
            self._reset()

    def state(self) -> tuple[bool, str]:
        """Return whether operations are being recorded in this process, and the reason in words."""
        if self._obstacle:
            return False, self._obstacle
        return True, f"instrumenting mem0ai {_mem0_version()}, recording {self._recorder.signals()}"

    def _instrument(self, module: ModuleType) -> None:
        """Replace the methods of a module's classes, right after the module's own code has run."""
        version = _mem0_version()
        with self._lock.of_this_process():
            if not self._installed:  # `remove` was called during the import
                return
            if version.partition(".")[0] != mem0.SUPPORTED_GENERATION:
                self._obstacle = f"operations need mem0ai {mem0.SUPPORTED_GENERATION}.x, this is {version}"
                return
            self._obstacle = ""
            self._replace(module)
            when_imported(_TRACE_API, self._recorder.prepare)

    def _replace(self, module: ModuleType) -> None:
        for class_name in mem0.CLASSES[module.__name__]:
            cls = getattr(module, class_name, None)
            for name in mem0.METHODS:
                original = getattr(cls, "__dict__", {}).get(name)
                if is_method(original):
                    begin = Begin(self._recorder.begin, _method(module.__name__, class_name, name))
                    self._recorder.patches.replace(cls, name, recorded(original, begin))
        pools = mem0.POOLS.get(module.__name__)
        if pools in vars(module):
            self._recorder.patches.replace(module, pools, carrying_context(vars(module)[pools]))


def _method(module: str, class_name: str, name: str) -> Method:
    hosted = module == mem0.HOSTED
    labels = {_semconv.GEN_AI_OPERATION_NAME: _semconv.OPERATION_NAMES[name]}
    if hosted:
        labels[_semconv.GEN_AI_PROVIDER_NAME] = _semconv.HOSTED_PROVIDER
    attributes = {**labels, _semconv.CODE_FUNCTION_NAME: f"{module}.{class_name}.{name}"}
    return Method(name, mem0.METHODS[name], hosted, labels, attributes)


def _mem0_version() -> str:
    return str(getattr(sys.modules.get("mem0"), "__version__", "of an unknown release"))
