# SPDX-License-Identifier: Apache-2.0
"""Replace `mem0.memory.telemetry` with a drop-in, and the names that Mem0's other modules imported from it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, MutableMapping
from types import ModuleType
from typing import Any

from mem0_telemetry.base.guard import guard
from mem0_telemetry.mem0_internals import import_hook
from mem0_telemetry.mem0_internals.names import (
    FIXED,
    FORWARDS_TO,
    HOLDERS,
    MAIN_MODULE,
    MIGRATIONS_COLLECTION,
    NATIVE_NAMES,
    PARENT_PACKAGE,
    TELEMETRY_MODULE,
    WHOLE_MODULE,
    silent,
)
from mem0_telemetry.mem0_internals.native_module import close_without_waiting, is_adopted, run_native
from mem0_telemetry.mem0_internals.ownership import is_mem0s, is_module, is_ours, is_replaceable

_Place = tuple[str, MutableMapping[str, Any], str]
"""A label, a namespace, and a name in that namespace."""

_ORIGINALS = "__mem0_telemetry_originals__"
"""The attribute in which a module keeps Mem0's replaced values, so that any copy of this package can restore them."""


class DropIn:
    """Replaces Mem0's own telemetry module with a drop-in module, and restores it.

    A name is replaced only if its value is Mem0's own or ours: a value that the application put there stays.
    Not thread-safe: the callers (`instrument`, `uninstrument`) hold a lock.

    Args:
        drop_in: the replacement, one module object under both names.
        found: called with Mem0's own module object if that was imported before us, or was being imported.
    """

    def __init__(self, drop_in: ModuleType, *, found: Callable[[ModuleType], None]) -> None:
        self._drop_in = drop_in
        self._found = found
        self._own = {name: getattr(drop_in, name) for name in NATIVE_NAMES}
        self._silenced: set[str] = set()
        self._native: ModuleType | None = None
        """Mem0's own module object, if it was imported before us."""
        self.active = False

    def replace(self) -> None:
        """Replace Mem0's names in its loaded modules, and in each module that is imported later. Idempotent."""
        if self.active:
            return
        self.active = True
        native = sys.modules.get(TELEMETRY_MODULE)
        if native is not None and native is not self._drop_in:
            # Use a hook, because another thread may still be importing the module and build its client later.
            import_hook.when_imported(TELEMETRY_MODULE, self._take_over)
        for module in [namespace[name] for _, namespace, name in _places()]:
            # If the application replaced or removed the entry in `sys.modules`, Mem0's code still uses its own module.
            if is_module(module) and module is not native and is_mem0s(module):
                self._take_over(module)
        import_hook.serve(TELEMETRY_MODULE, self._drop_in)
        for name in HOLDERS:
            import_hook.when_imported(name, self._repoint)

    def restore(self, *, opted_out: bool) -> None:
        """Restore Mem0's own names, without building a native client. Idempotent.

        A Mem0 that has adopted the drop-in has no other names, so they stay.

        Args:
            opted_out: leave Mem0's own flag `False`, so that removing the drop-in never turns telemetry on.
        """
        if not self.active or (self._native is None and is_adopted()):
            return
        self.active = False
        import_hook.withdraw(TELEMETRY_MODULE)
        import_hook.forget(TELEMETRY_MODULE, self._take_over)
        for name in HOLDERS:
            import_hook.forget(name, self._repoint)
        ours = [place for place in _places() if is_ours(place[1][place[2]])]
        native, self._native = self._native, None
        self._silenced = set()
        if native is None and ours:
            native = run_native(private=False)
            vars(native)["MEM0_TELEMETRY"] = True
        if native is not None:
            if opted_out:
                vars(native)["MEM0_TELEMETRY"] = False
            self._restore_names(native, ours)

    def _restore_names(self, native: ModuleType, ours: list[_Place]) -> None:
        names = vars(native)
        for name, original in names.pop(_ORIGINALS, {}).items():
            if is_ours(names.get(name)):
                names[name] = original
        sys.modules.setdefault(TELEMETRY_MODULE, native)
        for _, namespace, name in ours:
            kept = namespace.get(_ORIGINALS, {})
            # Mem0's own import statement would have bound the module itself, or a name from it.
            natives = native if name in WHOLE_MODULE else getattr(native, name, None)
            namespace[name] = kept.get(name, natives)
        for name in NATIVE_NAMES:  # comes last: values written into our module must not reach a holder
            written = getattr(self._drop_in, name)
            if not is_ours(written) and is_replaceable(names.get(name)):
                names[name] = written
        main = sys.modules.get(MAIN_MODULE)
        factory = vars(main).get("VectorStoreFactory") if is_module(main) else None
        if type(factory) is type and "_without_migrations" in vars(factory):
            vars(main)["VectorStoreFactory"] = factory.__base__

    def not_replaced(self) -> tuple[str, ...]:
        """Return the names in Mem0 that the active drop-in has not replaced, because the application set them."""
        if not self.active:
            return ()
        held = [(label, namespace[name]) for label, namespace, name in _places()]
        seen = sys.modules.get(TELEMETRY_MODULE)
        if is_module(seen) and is_replaceable(seen):
            names = vars(seen)
            held += [(f"{TELEMETRY_MODULE}.{name}", names[name]) for name in NATIVE_NAMES if name in names]
        owned = [label for label, value in held if value is not False and not is_replaceable(value)]
        return tuple(dict.fromkeys(owned))

    def _take_over(self, native: ModuleType) -> None:
        if not self.active:
            return
        entered = self._drop_in
        if is_mem0s(native):
            names = vars(native)
            owned = {name for name in NATIVE_NAMES if name in names and not is_replaceable(names[name])}
            self._silenced = {name for name, targets in FORWARDS_TO.items() if targets & owned}
            self._native = native
            self._found(native)
            with guard("closing Mem0's own telemetry"):
                close_without_waiting(native, everywhere=_holders_differ(names))
            for name in NATIVE_NAMES:
                self._replace_name(names, name)
            if owned:  # later imports from the module must find the application's values
                entered = native
        for _, namespace, name in _module_places():
            if is_replaceable(namespace[name]):
                namespace[name] = entered

    def _repoint(self, module: ModuleType) -> None:
        """Give the holder `module` the drop-in's values, right after the module's own code has run."""
        if not self.active:  # the drop-in was removed during the import
            return
        names = vars(module)
        for name in HOLDERS[module.__name__]:
            self._replace_name(names, name)
        if module.__name__ == MAIN_MODULE and "MEM0_TELEMETRY" not in names:
            factory = names.get("VectorStoreFactory")
            if type(factory) is type and factory.__module__.startswith("mem0."):
                names["VectorStoreFactory"] = _without_migrations(factory)

    def _replace_name(self, names: dict[str, Any], name: str) -> None:
        """Replace a name in a module of Mem0, unless its value is the application's."""
        if name not in names or not is_replaceable(names[name]):
            return
        if is_mem0s(names[name]):
            names.setdefault(_ORIGINALS, {})[name] = names[name]
        if name in self._silenced:
            names[name] = silent
        elif name in FIXED:
            names[name] = FIXED[name]
        else:
            value = getattr(self._drop_in, name)  # the application may have written its own there
            names[name] = value if is_ours(value) else self._own[name]


def _places() -> list[_Place]:
    """Return the places in loaded modules that hold Mem0's telemetry module or a name from it."""
    return [*_module_places(), *_holder_places()]


def _module_places() -> list[_Place]:
    """Return the places where Python holds the telemetry module itself."""
    places: list[_Place] = [(TELEMETRY_MODULE, sys.modules, TELEMETRY_MODULE)]
    parent = sys.modules.get(PARENT_PACKAGE)
    if is_module(parent):
        places.append((TELEMETRY_MODULE, vars(parent), "telemetry"))
    return [place for place in places if place[2] in place[1]]


def _holder_places() -> Iterator[_Place]:
    """Yield the places where Mem0's other modules hold names from it."""
    for holder, names in HOLDERS.items():
        module = sys.modules.get(holder)
        namespace = vars(module) if is_module(module) else {}
        for name in names:
            if name in namespace:
                yield f"{holder}.{name}", namespace, name


def _holders_differ(native: dict[str, Any]) -> bool:
    """Return whether a name was replaced in a holder or in the module, or is from before a reload."""
    return any(
        held[name] is not native.get(name, held[name]) for _, held, name in _holder_places()
    ) or not all(is_mem0s(native[name]) for name in NATIVE_NAMES if name in native)


def _without_migrations(factory: Any) -> Any:
    """Return a factory that builds no vector store for telemetry. mem0ai 1.0.0 builds one even when opted out."""

    class VectorStoreFactory(factory):
        _without_migrations = True

        @classmethod
        def create(cls, provider_name: Any, config: Any) -> Any:
            fields = config if isinstance(config, dict) else vars(config)
            if fields.get("collection_name") == MIGRATIONS_COLLECTION:
                return None
            return factory.create(provider_name, config)

    return VectorStoreFactory
