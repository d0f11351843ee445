"""Stand in for `mem0.memory.telemetry`: one module object under both names, every holder of its names re-pointed."""

from __future__ import annotations

import sys

from mem0_telemetry._guard import guard
from mem0_telemetry.mem0_internals import import_hook
from mem0_telemetry.mem0_internals.names import (
    HOLDERS,
    MAIN_MODULE,
    MIGRATIONS_COLLECTION,
    NATIVE_NAMES,
    PARENT_PACKAGE,
    TELEMETRY_MODULE,
)
from mem0_telemetry.mem0_internals.native_module import close_without_waiting, run_native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any


class StandIn:
    """Puts a drop-in module in the place of Mem0's own telemetry module, and takes it out again.

    Not thread-safe: the caller (`instrument`, `uninstrument`) holds a lock.

    Args:
        drop_in: what stands in.
        found: called with Mem0's own module object where that had been imported before us, or was being imported.

    Attributes:
        native: Mem0's own module object where it had been imported before us, else None. Its flag still counts.
    """

    def __init__(self, drop_in: ModuleType, *, found: Callable[[ModuleType], None]) -> None:
        self._drop_in = drop_in
        self._found = found
        self._native_names: dict[str, object] = {}
        self.native: ModuleType | None = None
        self.active = False

    def begin(self) -> None:
        """Stand in, now and for everything of Mem0 that is imported later. Idempotent."""
        if self.active:
            return
        self.active = True
        native = sys.modules.get(TELEMETRY_MODULE)
        if native is not None and native is not self._drop_in:
            # Another thread may be importing it, and about to build its client.
            import_hook.when_imported(TELEMETRY_MODULE, self._take_over)
        import_hook.serve(TELEMETRY_MODULE, self._drop_in)
        for name in HOLDERS:
            import_hook.when_imported(name, self._repoint)

    def end(self, *, opted_out: bool) -> None:
        """Give Mem0 its own names back, without building a native client to do so. Idempotent.

        Args:
            opted_out: leave Mem0's own flag `False`, so that taking us out never turns telemetry on.
        """
        if not self.active:
            return
        self.active = False
        import_hook.withdraw(TELEMETRY_MODULE)
        import_hook.forget(TELEMETRY_MODULE, self._take_over)
        for name in HOLDERS:
            import_hook.forget(name, self._repoint)
        loaded = [sys.modules[name] for name in HOLDERS if name in sys.modules]
        if TELEMETRY_MODULE in sys.modules or loaded:
            self._give_back(loaded, opted_out=opted_out)
        self.native = None

    def _take_over(self, native: ModuleType) -> None:
        if not self.active:
            return
        self.native = native
        self._found(native)
        with guard("closing Mem0's own telemetry"):
            close_without_waiting(native)
        names = vars(native)
        for name in NATIVE_NAMES:
            if name in names:
                self._native_names[name] = names[name]
                names[name] = getattr(self._drop_in, name)
        self._enter(self._drop_in)

    def _repoint(self, module: ModuleType) -> None:
        """Give the holder `module` the drop-in's values; called right after its own code has run."""
        if not self.active:  # taken out while it was imported
            return
        names = vars(module)
        for name, replacement in HOLDERS[module.__name__].items():
            if name in names:
                names[name] = replacement.stand_in(name, self._drop_in)
        if module.__name__ == MAIN_MODULE and "MEM0_TELEMETRY" not in names and "VectorStoreFactory" in names:
            names["VectorStoreFactory"] = _without_migrations(names["VectorStoreFactory"])

    def _give_back(self, holders: list[ModuleType], *, opted_out: bool) -> None:
        native = self.native or run_native(private=False)
        names = vars(native)
        names.update(self._native_names)
        self._native_names.clear()
        if opted_out:
            names["MEM0_TELEMETRY"] = False
        elif self.native is None:
            names["MEM0_TELEMETRY"] = True
        self._enter(native)
        for holder in holders:
            held = vars(holder)
            for name, replacement in HOLDERS[holder.__name__].items():
                if name in held:
                    held[name] = replacement.give_back(name, native)
            factory = held.get("VectorStoreFactory")
            if isinstance(factory, type) and "_without_migrations" in vars(factory):
                held["VectorStoreFactory"] = factory.__base__

    @staticmethod
    def _enter(module: ModuleType) -> None:
        sys.modules[TELEMETRY_MODULE] = module
        parent = sys.modules.get(PARENT_PACKAGE)
        if parent is not None:
            vars(parent)["telemetry"] = module


def _without_migrations(factory: Any) -> Any:
    """Mem0's vector store factory, which builds no store for telemetry (mem0ai 1.0.0 does so on or off)."""

    class VectorStoreFactory(factory):
        _without_migrations = True

        @classmethod
        def create(cls, provider_name: Any, config: Any) -> Any:
            fields = config if isinstance(config, dict) else vars(config)
            if fields.get("collection_name") == MIGRATIONS_COLLECTION:
                return None
            return factory.create(provider_name, config)

    return VectorStoreFactory
