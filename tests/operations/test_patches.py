"""Replaced attributes are restored, whichever threads replaced them, and entries of dead classes are removed."""

from __future__ import annotations

import gc
import threading
from typing import Any

import pytest

from mem0_telemetry.operations._components import Components
from mem0_telemetry.operations._wrappers import Patches, recorded

pytestmark = pytest.mark.interpreter


def function(self: object) -> None:
    """Do nothing."""


def test_dead_classes_leave_no_entries() -> None:
    """An application may create thousands of component classes: only the living ones have entries."""
    patches = Patches()
    components = Components(patches)
    for _ in range(20):
        components.provider("embedder", type("Embedder", (), {"embed": function, "embed_batch": function}))
    living = type("Embedder", (), {"embed": function})
    components.provider("embedder", living)
    gc.collect()
    assert [*patches._replaced] == [(id(living), "embed")]


def test_two_threads_meet_one_class() -> None:
    """If two threads instrument a class at once, it has one wrapper, and `restore` restores the original."""
    replaced, resume = threading.Event(), threading.Event()

    class Slow(type):
        def __setattr__(cls, name: str, value: object) -> None:
            super().__setattr__(name, value)
            if threading.current_thread() is thread:
                replaced.set()
                resume.wait(60)

    class Base(metaclass=Slow):
        embed: Any = function

    patches = Patches()
    components = Components(patches)
    thread = threading.Thread(
        target=components.provider, args=("embedder", type("One", (Base,), {})), daemon=True
    )
    thread.start()
    assert replaced.wait(60)
    components.provider("embedder", type("Two", (Base,), {}))
    resume.set()
    thread.join(60)
    assert Base.embed.__wrapped__ is function
    patches.restore()
    assert Base.embed is function


def test_the_first_of_two_replacements_stays() -> None:
    """If two threads have made a replacement for one method, the first stays, and `restore` finds it."""

    class Embedder:
        embed: Any = function

    patches = Patches()
    first, second = recorded(function, None), recorded(function, None)
    patches.replace(Embedder, "embed", first)
    patches.replace(Embedder, "embed", second)
    assert Embedder.embed is first
    patches.restore()
    assert Embedder.embed is function


def test_a_replacement_that_is_gone_is_replaced_again() -> None:
    """After a reload of its module, which drops the replacement, an attribute is replaced again."""

    class Embedder:
        embed: Any = function

    patches = Patches()
    for _ in range(2):
        Embedder.embed = function
        gc.collect()
        patches.replace(Embedder, "embed", recorded(function, None))
        assert Embedder.embed.__wrapped__ is function
    patches.restore()
    assert Embedder.embed is function
