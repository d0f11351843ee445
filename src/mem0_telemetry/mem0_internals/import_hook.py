# SPDX-License-Identifier: Apache-2.0
"""Run a function right after a module has been imported: now where it is loaded already, else when it is.

One `sys.meta_path` finder; docs/decisions/import-hook.md has the reasons. For a module that somebody waits for, it asks
the other finders and wraps the loader that they name. Where another thread is already importing that module, Python's
last step tells us: it sets the module on its parent package.
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
    """A meta-path finder that serves existing modules, and else only wraps what the other finders find."""

    def __init__(self) -> None:
        self.hooks: dict[str, list[Hook]] = {}
        self.served: dict[str, ModuleType] = {}
        self._ran: dict[str, dict[Hook, object]] = {}
        """The hooks that each module, as it is loaded now, has met."""
        self._asking: set[tuple[int, str]] = set()
        """What each thread is asking the other finders for."""

    def when_imported(self, name: str, hook: Hook) -> None:
        """Call `hook(module)` once `name` is imported; at once where it already is. Idempotent for the same pair.

        Thread-safe: whatever is being imported meanwhile, the hook runs exactly once each time the module is loaded, on
        the importing thread and under its import lock. An exception of the hook never reaches the import.
        """
        hooks = self.hooks.setdefault(name, [])
        if hook not in hooks:
            hooks.append(hook)
        self._enter()
        self._watch_if_importing(name)
        module = sys.modules.get(name)
        # A test's mock in the place of a module is left alone.
        if module is not None and issubclass(type(module), ModuleType) and not _is_being_imported(module):
            self.run_hooks(name, module)

    def forget(self, name: str, hook: Hook) -> None:
        """Withdraw a `when_imported`; the finder leaves `sys.meta_path` with its last hook. Ignores unknown pairs."""
        hooks = self.hooks.get(name, [])
        if hook in hooks:
            hooks.remove(hook)
        self._ran.get(name, {}).pop(hook, None)
        if not hooks:
            self.hooks.pop(name, None)
            self._ran.pop(name, None)
        self._leave_if_idle()

    def serve(self, name: str, module: ModuleType) -> None:
        """Make `import name` find `module`, an object that exists already, under that name too, until `withdraw`.

        The import system itself then enters it into `sys.modules` and sets it on the parent package.
        """
        self.served[name] = module
        self._enter()

    def withdraw(self, name: str) -> None:
        """End a `serve`. What has been imported meanwhile stays."""
        self.served.pop(name, None)
        self._leave_if_idle()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find `name` for the import system: what is served, or what the other finders find, with our loader."""
        if name in self.served:
            return ModuleSpec(name, _ServingLoader(self.served[name]))  # type: ignore[arg-type]
        asking = (get_ident(), name)
        # A finder that we ask may ask all others, and so us again.
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
        """Run those hooks that the module has not met yet."""
        ran = self._ran.setdefault(name, {})
        for hook in tuple(self.hooks.get(name, ())):
            mine = object()
            if ran.setdefault(hook, mine) is mine:  # no other thread was faster
                with guard(f"preparing {name}"):
                    hook(module)

    def _watch_if_importing(self, name: str) -> None:
        """Have the parent package tell us of the module where another thread is importing it."""
        package, _, child = name.rpartition(".")
        parent = sys.modules.get(package)
        # Before its module is in `sys.modules`, an import shows by the package that is waiting for it.
        importing = _is_being_imported(sys.modules.get(name, sys.modules.get(name.partition(".")[0])))
        if importing and parent is not None and child not in vars(parent) and type(parent) is ModuleType:
            parent.__class__ = _WatchedPackage

    def _enter(self) -> None:
        if self not in sys.meta_path:
            # A copy of this module that was dropped from `sys.modules` has left its finder, which would instrument
            # Mem0 for that copy too.
            others = [finder for finder in sys.meta_path if not _is_of_a_copy(finder)]
            sys.meta_path[:] = [self, *others]

    def _leave_if_idle(self) -> None:
        if not self.hooks and not self.served and self in sys.meta_path:
            # A new list: another thread may be walking through the old one, and would miss the next finder.
            sys.meta_path = [finder for finder in sys.meta_path if finder is not self]


def _is_being_imported(module: ModuleType | None) -> bool:
    """Return whether its own code has not run to its end yet."""
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


def _is_of_a_copy(finder: object) -> bool:
    cls = type(finder)
    return cls is not _Finder and (cls.__module__, cls.__qualname__) == (__name__, _Finder.__qualname__)


class _WatchedPackage(ModuleType):
    """A package of which another thread is importing a module that somebody waits for."""

    def __setattr__(self, child: str, value: Any) -> None:
        super().__setattr__(child, value)
        name = f"{self.__name__}.{child}"
        if name in _finder.hooks and isinstance(value, ModuleType):
            _finder.run_hooks(name, value)
        waited_for = [name for name in tuple(_finder.hooks) if name.rpartition(".")[0] == self.__name__]
        if not any(_is_being_imported(sys.modules.get(name)) for name in waited_for):
            self.__class__ = ModuleType  # type: ignore[assignment]


class _ServingLoader:
    """Hands over a module that exists already, under a second name, and leaves its own attributes as they were."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self._spec = module.__spec__

    def create_module(self, _: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


class _WatchedLoader:
    """Stands before a module's own loader for one import, and runs the hooks once the module's own code has run."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def exec_module(self, module: ModuleType) -> None:
        # Put the loader back before the module's code runs, so that nobody ever meets ours.
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
