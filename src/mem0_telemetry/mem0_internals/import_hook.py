"""Run a function right after a module has been imported: now where it is loaded already, else when it is.

One `sys.meta_path` finder of our own, standard library only (`wrapt` costs 77 ms to import). It finds nothing itself:
for a module that somebody waits for it asks the other finders and wraps the loader that they name. A module that
another thread is importing already, found before our finder was there, is waited for through its spec.
"""

from __future__ import annotations

import sys

from mem0_telemetry._guard import guard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    Hook = Callable[[ModuleType], None]
else:
    ModuleSpec = type(sys.__spec__)  # `importlib.machinery` is not always loaded


def when_imported(name: str, hook: Hook) -> None:
    """Call `hook(module)` once `name` is imported; at once where it already is. Idempotent for the same pair.

    Thread-safe, whatever is being imported meanwhile: the hook runs exactly once each time the module is loaded. It
    runs on the importing thread, under its import lock, after the module's own code and before anybody else sees the
    module. An exception of the hook never reaches the import.
    """
    hooks = _finder.hooks.setdefault(name, [])
    if hook not in hooks:
        hooks.append(hook)
    _finder.enter()
    module = sys.modules.get(name)
    if module is None:
        _finder.unseen.add(name)
    else:
        _finder.meet_when_ready(module)


def forget(name: str, hook: Hook) -> None:
    """Withdraw a `when_imported`; the finder leaves `sys.meta_path` with its last hook. Unknown pairs are ignored."""
    hooks = _finder.hooks.get(name, [])
    if hook in hooks:
        hooks.remove(hook)
    _finder.met.get(name, {}).pop(hook, None)
    if not hooks:
        _finder.hooks.pop(name, None)
        _finder.met.pop(name, None)
        _finder.unseen.discard(name)
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


def _is_being_imported(module: ModuleType) -> bool:
    """Whether its own code has not run to its end yet."""
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


class _Finder:
    """A meta-path finder that serves existing modules, and else only wraps what the other finders find."""

    def __init__(self) -> None:
        self.hooks: dict[str, list[Hook]] = {}
        self.served: dict[str, ModuleType] = {}
        self.met: dict[str, dict[Hook, object]] = {}
        """The hooks that each module, as it is loaded now, has met."""
        self.unseen: set[str] = set()
        """Modules that were not there when somebody began to wait; another thread may have been about to load them."""

    def enter(self) -> None:
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

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

    def meet_when_ready(self, module: ModuleType) -> None:
        """Run the hooks now, or on the thread that is importing the module once that is done."""
        if not issubclass(type(module), type(sys)):  # a test's mock: nothing of it is to be touched
            return
        spec = getattr(module, "__spec__", None)
        if _is_being_imported(module) and type(spec) is ModuleSpec:
            spec.__class__ = _WatchedSpec
        if not _is_being_imported(module):  # not any more
            self.meet(module.__name__, module)

    def _look_for_unseen(self) -> None:
        for name in tuple(self.unseen):
            module = sys.modules.get(name)
            if module is not None:
                self.unseen.discard(name)
                self.meet_when_ready(module)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name in self.served:
            return _spec_serving(name, self.served[name])
        self.unseen.discard(name)
        self._look_for_unseen()
        if name not in self.hooks:
            return None
        for finder in sys.meta_path:
            find_spec = getattr(finder, "find_spec", None)
            if finder is self or find_spec is None:
                continue
            spec: ModuleSpec | None = find_spec(name, path, target)
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    self.met.pop(name, None)
                    spec.loader = _WatchedLoader(spec.loader)  # type: ignore[assignment]
                return spec
        return None


class _WatchedSpec(ModuleSpec):
    """The spec of a module that is being imported, until the import system says on it that this is done."""

    def __setattr__(self, name: str, value: object) -> None:
        if name != "_initializing" or value:
            super().__setattr__(name, value)
            return
        _meet_by(self)  # before anybody else sees the module
        super().__setattr__(name, value)
        self.__class__ = ModuleSpec  # type: ignore[assignment]
        _meet_by(self)  # hooks that came meanwhile


def _meet_by(spec: ModuleSpec) -> None:
    module = sys.modules.get(spec.name)
    if module is not None and module.__spec__ is spec:  # else its import has failed
        _finder.meet(spec.name, module)


def _spec_serving(name: str, module: ModuleType) -> ModuleSpec:
    return ModuleSpec(name, _ServingLoader(module))  # type: ignore[arg-type]


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
