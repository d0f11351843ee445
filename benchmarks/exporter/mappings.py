"""Measure the mapping alone, for different kinds of attributes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from ways import identified, our_exporter, ready_records

if TYPE_CHECKING:
    from collections.abc import Callable

_WORDS: Final = "the quick brown fox jumps over the lazy dog "
_NESTED: Final = {
    "items": [{"sku": f"s{n}", "n": n, "price": 1.5 * n} for n in range(8)],
    "a": {"b": [1, {"c": "x"}]},
}
_MESSAGES: Final = [
    {
        "role": role,
        "parts": [
            {"type": "text", "content": _WORDS * 5},
            {"type": "tool_call", "id": "c", "arguments": {"a": [1, 2]}},
        ],
    }
    for role in ("system", "user", "assistant") * 2
]
SHAPES: Final[dict[str, Callable[[int], dict[str, Any]]]] = {
    "no attribute": lambda _: {},
    "3 attributes": lambda n: {"user.id": "u-17", "items": n % 50, "gift": False},
    "20, constant texts": identified,
    "20, and 8 unique texts": lambda n: {
        **identified(n),
        **{f"text.{place}": f"text {n} of {place}" for place in range(8)},
    },
    "20, and one 5 kB text": lambda n: {**identified(n), "text": f"{_WORDS * 113} {n}"},
    "20, and nested maps": lambda n: {**identified(n), "cart": _NESTED},
    "20, and GenAI messages": lambda n: {**identified(n), "gen_ai.input.messages": _MESSAGES},
    "21 of 300 sets of keys": lambda n: {**identified(n), f"key.{n % 300}": 1},
}
"""Attributes of an event by kind; each function receives the number of the event."""


def mapping_of(shape: str, events: int) -> float:
    """Return the CPU microseconds that the mapping of one event of a kind takes: the best of three passes."""
    mapper = our_exporter("http://127.0.0.1:9")._mapper
    best = float("inf")
    for turn in range(4):
        spent = 0.0
        for batch in ready_records(events, lambda n, turn=turn: SHAPES[shape](n + turn * events)):
            began = time.process_time()
            mapper.map(batch)
            spent += time.process_time() - began
        best = min(best, spent) if turn else best  # The first pass fills the caches.
    return best / events * 1e6
