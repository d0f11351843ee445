# SPDX-License-Identifier: Apache-2.0
"""Run a function right after a module is imported, or at once if the module is already loaded.

One `sys.meta_path` finder does this; docs/decisions/import-hook.md has the reasons. For a module with hooks, it asks
the other finders and wraps the loader that they return. If another thread is already importing the module, the hooks
run at the last step of that import, when Python sets the module on its parent package.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from threading import get_ident
from types import ModuleType
from typing import Any

from mem0_telemetry.base.guard import guard

Hook = Callable[[ModuleType], object]


class _Finder:
    """A meta-path finder that serves existing modules, and wraps the loaders that the other finders return."""

    def __init__(self) -> None:
        self.hooks: dict[str, list[Hook]] = {}
        self.served: dict[str, ModuleType] = {}
        self._ran: dict[str, dict[Hook, object]] = {}
        """The hooks that have run for each module since it was last loaded."""
        self._asking: set[tuple[int, str]] = set()
        """Pairs of a thread id and a module name that this thread is asking the other finders for."""

    def when_imported(self, name: str, hook: Hook) -> None:
        """Call `hook(module)` after each import of `name`, and at once if it is loaded. Idempotent for the same pair.

        Thread-safe: the hook runs exactly once each time the module is loaded, even if that happens during this call.
        It runs on the importing thread, under the module's import lock. Its exceptions never reach the import.
        """
        hooks = self.hooks.setdefault(name, [])
        if hook not in hooks:
            hooks.append(hook)
        self._enter()
        self._watch_if_importing(name)
        module = sys.modules.get(name)
        # Leave a test's mock of a module alone.
        if module is not None and issubclass(type(module), ModuleType) and not _is_being_imported(module):
            self.run_hooks(name, module)

    def forget(self, name: str, hook: Hook) -> None:
        """Undo a `when_imported`; ignore unknown pairs. The finder leaves `sys.meta_path` when it has no work left."""
        hooks = self.hooks.get(name, [])
        if hook in hooks:
            hooks.remove(hook)
        self._ran.get(name, {}).pop(hook, None)
        if not hooks:
            self.hooks.pop(name, None)
            self._ran.pop(name, None)
        self._leave_if_idle()

    def serve(self, name: str, module: ModuleType) -> None:
        """Make `import name` return `module`, which already exists, until `withdraw`.

        The import system then adds it to `sys.modules` and sets it on the parent package.
        """
        self.served[name] = module
        self._enter()

    def withdraw(self, name: str) -> None:
        """End a `serve`. A module that has already been imported stays in `sys.modules`."""
        self.served.pop(name, None)
        self._leave_if_idle()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a served module, or the other finders' spec with our loader. None for any other name."""
        if name in self.served:
            return ModuleSpec(name, _ServingLoader(self.served[name]))  # type: ignore[arg-type]
        asking = (get_ident(), name)
        # Another finder may ask all finders, including this one: `_asking` ends the recursion.
        if name not in self.hooks or asking in self._asking:
            return None
        self._asking.add(asking)
        try:
            finders = [
                finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec")
            ]
            found = (finder.find_spec(name, path, target) for finder in finders)
            spec = next((spec for spec in found if spec is not None), None)
        finally:
            self._asking.discard(asking)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            self._ran.pop(name, None)
            spec.loader = _WatchedLoader(spec.loader)  # type: ignore[assignment]
        return spec

    def run_hooks(self, name: str, module: ModuleType) -> None:
        """Run the hooks that have not yet run for this load of the module."""
        ran = self._ran.setdefault(name, {})
        for hook in tuple(self.hooks.get(name, ())):
            mine = object()
            if ran.setdefault(hook, mine) is mine:  # no other thread has started this hook
                with guard(f"preparing {name}"):
                    hook(module)

    def _watch_if_importing(self, name: str) -> None:
        """Watch the parent package until it gets the module, if another thread is importing it."""
        package, _, child = name.rpartition(".")
        parent = sys.modules.get(package)
        # Before the module is in `sys.modules`, only its unfinished top-level package shows that it may be imported.
        importing = _is_being_imported(sys.modules.get(name, sys.modules.get(name.partition(".")[0])))
        if importing and parent is not None and child not in vars(parent) and type(parent) is ModuleType:
            parent.__class__ = _WatchedPackage

    def _enter(self) -> None:
        if self not in sys.meta_path:
            # Remove the finder of a copy that was dropped from `sys.modules`: it would instrument Mem0 for that copy.
            others = [finder for finder in sys.meta_path if not _is_of_a_copy(finder)]
            sys.meta_path[:] = [self, *others]

    def _leave_if_idle(self) -> None:
        if not self.hooks and not self.served and self in sys.meta_path:
            # Assign a new list: another thread may be iterating over the old one, and would skip a finder.
            sys.meta_path = [finder for finder in sys.meta_path if finder is not self]


def _is_being_imported(module: ModuleType | None) -> bool:
    """Return whether the import of a module is still in progress."""
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


def _is_of_a_copy(finder: object) -> bool:
    cls = type(finder)
    return cls is not _Finder and (cls.__module__, cls.__qualname__) == (__name__, _Finder.__qualname__)


class _WatchedPackage(ModuleType):
    """The class of a package while another thread imports a submodule that has hooks."""

    def __setattr__(self, child: str, value: Any) -> None:
        super().__setattr__(child, value)
        name = f"{self.__name__}.{child}"
        if name in _finder.hooks and isinstance(value, ModuleType):
            _finder.run_hooks(name, value)
        waited_for = [name for name in tuple(_finder.hooks) if name.rpartition(".")[0] == self.__name__]
        if not any(_is_being_imported(sys.modules.get(name)) for name in waited_for):
            self.__class__ = ModuleType  # type: ignore[assignment]


class _ServingLoader:
    """Loads an existing module under a second name, and keeps the module's own attributes."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self._spec = module.__spec__

    def create_module(self, _: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


class _WatchedLoader:
    """Wraps a module's own loader for one import, and runs the hooks after the module's own code."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def exec_module(self, module: ModuleType) -> None:
        # Restore the loader before the module's code runs, so that no other code ever sees ours.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        _finder.run_hooks(module.__name__, module)


_finder = _Finder()
when_imported = _finder.when_imported
forget = _finder.forget
serve = _finder.serve
withdraw = _finder.withdraw
