"""Replacing attributes of classes and modules so that each can be put back exactly."""

from __future__ import annotations

import weakref
from typing import Any


class Patches:
    """What has been replaced. Classes are held weakly: an application may make them by the thousand."""

    def __init__(self) -> None:
        self._replaced: list[tuple[weakref.ref[Any], str, weakref.ref[Any]]] = []
        self._over = False

    def replace(self, owner: Any, name: str, replacement: Any) -> None:
        """Set an attribute of a class or module to something that keeps the original as `__wrapped__`."""
        setattr(owner, name, replacement)
        self._replaced.append((weakref.ref(owner), name, weakref.ref(replacement)))
        if self._over:  # an operation was beginning when all was put back
            self.restore()

    def covers(self, owner: Any, name: str) -> bool:
        """Tell whether this attribute has been replaced already."""
        return any(name == other and owner_of() is owner for owner_of, other, _ in self._replaced)

    def restore(self) -> None:
        """Put the originals back, last one first; what is replaced later, at once.

        What somebody else has wrapped or replaced since is left alone; a wrapper of ours inside it passes
        through.
        """
        self._over = True
        while self._replaced:
            owner_of, name, replacement_of = self._replaced.pop()
            owner, replacement = owner_of(), replacement_of()
            if owner is None or replacement is None:
                continue
            if vars(owner).get(name) is replacement:
                setattr(owner, name, replacement.__wrapped__)
