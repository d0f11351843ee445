"""What `verify` finds out about one promise."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One promise, and what was seen that breaks it."""

    promise: str
    breaches: tuple[str, ...] = ()
    observed: str = ""
    """What was seen, in a few words, where nothing breaks it."""
    unchecked: str = ""
    """Why it could not be checked, where it could not: that proves nothing, for or against."""
