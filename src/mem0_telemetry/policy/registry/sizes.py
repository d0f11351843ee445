"""The closed types of sizes. An application fixes a size in its code, so an exact one would link its installations."""

from __future__ import annotations

from mem0_telemetry.base.frozen import Frozen


class UpTo(Frozen):
    """A size as the smallest of some bounds that is not less than it."""

    __slots__ = ("bounds",)
    bounds: tuple[int, ...]

    def __init__(self, *bounds: int) -> None:
        self._freeze(bounds=bounds)

    def take(self, value: object) -> int | None:
        """Answer the bound of an `int` from 1 on, the last one for anything larger; anything else is left out."""
        if type(value) is not int or value < 1:
            return None
        return next((bound for bound in self.bounds if value <= bound), self.bounds[-1])

    def describe(self) -> str:
        """Say in words which values there are."""
        return f"{_listed(self.bounds)}; rounded up"


class OneOf(Frozen):
    """One of the declared whole numbers."""

    __slots__ = ("values",)
    values: tuple[int, ...]

    def __init__(self, *values: int) -> None:
        self._freeze(values=values)

    def take(self, value: object) -> int | None:
        """Answer a declared `int` as it is; anything else is left out."""
        return value if type(value) is int and value in self.values else None

    def describe(self) -> str:
        """Say in words which values there are."""
        return _listed(self.values)


def _listed(numbers: tuple[int, ...]) -> str:
    return "one of " + ", ".join(f"`{number}`" for number in numbers)
