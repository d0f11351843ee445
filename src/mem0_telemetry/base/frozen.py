"""Frozen values for the path of `import mem0_telemetry`, where `dataclasses` (19 ms) may not be imported."""

from __future__ import annotations


class Frozen:
    """Base of small immutable values: a subclass names its `__slots__` and calls `_freeze` once.

    Equality, hash and `repr` go by the slots that are not private. Safe to share between threads.
    """

    __slots__: tuple[str, ...] = ()

    def _freeze(self, **values: object) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def fields(self) -> tuple[tuple[str, object], ...]:
        """Answer the name and value of each slot that is not private."""
        return tuple((name, getattr(self, name)) for name in self.__slots__ if not name.startswith("_"))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.fields() == other.fields()

    def __hash__(self) -> int:
        return hash((type(self), self.fields()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.fields())})"
