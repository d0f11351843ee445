"""Run a function right after a module has been imported: now where it is loaded already, else when it is.

One `sys.meta_path` finder, standard library only; docs/decisions/import-hook.md has the reasons. For a
module that somebody waits for, it asks the other finders and wraps the loader that they name. Where another thread is
already importing that module, Python's last step tells us: it sets the module on its parent package.
"""

from __future__ import annotations

import sys
from _thread import get_ident

from mem0_telemetry.base.guard import guard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    Hook = Callable[[ModuleType], object]
else:
    ModuleSpec, ModuleType = type(sys.__spec__), type(sys)  # `importlib.machinery` is not always loaded


def when_imported(name: str, hook: Hook) -> None:
    """Call `hook(module)` once `name` is imported; at once where it already is. Idempotent for the same pair.

    Thread-safe: whatever is being imported meanwhile, the hook runs exactly once each time the module is loaded, on
    the importing thread and under its import lock. An exception of the hook never reaches the import.
    """
    hooks = _finder.hooks.setdefault(name, [])
    if hook not in hooks:
        hooks.append(hook)
    _finder.enter()
    _finder.meet_or_watch(name)


def forget(name: str, hook: Hook) -> None:
    """Withdraw a `when_imported`; the finder leaves `sys.meta_path` with its last hook. Unknown pairs are ignored."""
    hooks = _finder.hooks.get(name, [])
    if hook in hooks:
        hooks.remove(hook)
    _finder.met.get(name, {}).pop(hook, None)
    if not hooks:
        _finder.hooks.pop(name, None)
        _finder.met.pop(name, None)
    _finder.leave_if_idle()


def serve(name: str, module: ModuleType) -> None:
    """Make `import name` find `module`, an object that exists already, under that name too, until `withdraw`.

    The import system itself then enters it into `sys.modules` and sets it on the parent package.
    """
    _finder.served[name] = module
    _finder.enter()


def withdraw(name: str) -> None:
    """End a `serve`. What has been imported meanwhile stays."""
    _finder.served.pop(name, None)
    _finder.leave_if_idle()


def _is_being_imported(module: ModuleType | None) -> bool:
    """Return whether its own code has not run to its end yet."""
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


class _Finder:
    """A meta-path finder that serves existing modules, and else only wraps what the other finders find."""

    def __init__(self) -> None:
        self.hooks: dict[str, list[Hook]] = {}
        self.served: dict[str, ModuleType] = {}
        self.met: dict[str, dict[Hook, object]] = {}
        """The hooks that each module, as it is loaded now, has met."""
        self._asking: set[tuple[int, str]] = set()
        """What each thread is asking the other finders for."""

    def enter(self) -> None:
        if self not in sys.meta_path:
            # A copy of this module that was dropped from `sys.modules` has left its finder, which would instrument
            # Mem0 for that copy too.
            others = [finder for finder in sys.meta_path if not _is_of_a_copy(finder)]
            sys.meta_path[:] = [self, *others]

    def leave_if_idle(self) -> None:
        if not self.hooks and not self.served and self in sys.meta_path:
            # A new list: another thread may be walking through the old one, and would miss the next finder.
            sys.meta_path = [finder for finder in sys.meta_path if finder is not self]

    def meet(self, name: str, module: ModuleType) -> None:
        """Run those hooks that the module has not met yet."""
        met = self.met.setdefault(name, {})
        for hook in tuple(self.hooks.get(name, ())):
            mine = object()
            if met.setdefault(hook, mine) is mine:  # no other thread was faster
                with guard(f"preparing {name}"):
                    hook(module)

    def meet_or_watch(self, name: str) -> None:
        """Run the hooks where the module is loaded. Where another thread is importing it, watch for the end of that."""
        package, _, child = name.rpartition(".")
        parent = sys.modules.get(package)
        # Before its module is in `sys.modules`, an import shows by the package that is waiting for it.
        under_way = _is_being_imported(sys.modules.get(name, sys.modules.get(name.partition(".")[0])))
        if under_way and parent is not None and child not in vars(parent) and type(parent) is ModuleType:
            parent.__class__ = _WatchedPackage
        module = sys.modules.get(name)
        # A test's mock in the place of a module is left alone.
        if (
            module is not None and issubclass(type(module), ModuleType) and not _is_being_imported(module)
        ):  # not any more
            self.meet(name, module)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name in self.served:
            return ModuleSpec(name, _ServingLoader(self.served[name]))  # type: ignore[arg-type]
        asking = (get_ident(), name)
        if (
            name not in self.hooks or asking in self._asking
        ):  # a finder that we ask may ask all others, us too
            return None
        self._asking.add(asking)
        try:
            spec = self._ask_the_others(name, path, target)
        finally:
            self._asking.discard(asking)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            self.met.pop(name, None)
            spec.loader = _WatchedLoader(spec.loader)  # type: ignore[assignment]
        return spec

    def _ask_the_others(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> ModuleSpec | None:
        for finder in tuple(sys.meta_path):
            find_spec = getattr(finder, "find_spec", None)
            if finder is not self and find_spec is not None:
                spec: ModuleSpec | None = find_spec(name, path, target)
                if spec is not None:
                    return spec
        return None


def _is_of_a_copy(finder: object) -> bool:
    cls = type(finder)
    return cls is not _Finder and (cls.__module__, cls.__qualname__) == (__name__, _Finder.__qualname__)


class _WatchedPackage(ModuleType):
    """A package of which another thread is importing a module that somebody waits for."""

    def __setattr__(self, child: str, value: Any) -> None:
        super().__setattr__(child, value)
        name = f"{self.__name__}.{child}"
        if name in _finder.hooks and isinstance(value, ModuleType):
            _finder.meet(name, value)
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

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        # Put the loader back before the module's code runs, so that nobody ever meets ours.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        _finder.meet(module.__name__, module)


_finder = _Finder()
