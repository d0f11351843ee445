"""Tests of each closed type: its limits, its cache, and the words that `TELEMETRY.md` shows for it."""

from __future__ import annotations

from typing import Any

import pytest

from mem0_telemetry.policy.registry import types

ENUM = types.enum("a", "b")
LONG = "x" * 200
LONGER = "x" * 201
PATH = types.class_path(versioned=["m.A", "m.B"], versions=types.enum("v1"), plain=["m.C"])
VERSION = types.version(parts=3)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (types.BOOL, "`true` or `false`"),
        (types.MARK, "`true`, or absent"),
        (types.one_of("CPython"), "`CPython`"),
        (types.one_of(True), "`true`"),
        (types.whole_number(1, 9), "whole number, 1 to 9"),
        (types.rate(decimals=3), "number, 0 to 1, to 3 decimals"),
        (types.rate(decimals=1), "number, 0 to 1, to 1 decimal"),
        (types.one_of(3, 7), "one of `3`, `7`"),
        (types.up_to(3, 7), "one of `3`, `7`; rounded up"),
        (ENUM, "one of `a`, `b`, `other`"),
        (types.enum("a", other="custom"), "one of `a`, `custom`"),
        (PATH, "one of `m.A.v1`, `m.A.other`, `m.B.v1`, `m.B.other`, `m.C`, `custom`"),
        (types.enum_set("a", "b"), "list of `a`, `b`, `other`"),
        (VERSION, "version, at most 3 numbers"),
        (types.UUID, "random UUID"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_type_describes_its_values(kind: types.Type, words: str) -> None:
    """Each type describes its values in the words that `TELEMETRY.md` shows."""
    assert kind.words == words


@pytest.mark.parametrize(
    ("kind", "given_value", "expected"),
    [
        (types.one_of("python"), "python", "python"),
        (types.one_of("python"), "Python", None),
        (types.one_of(True), True, True),
        (types.one_of(True), 1, None),
        (types.whole_number(1, 9), 1, 1),
        (types.whole_number(1, 9), 9, 9),
        (types.whole_number(1, 9), 0, None),
        (types.whole_number(1, 9), 10, None),
        (types.whole_number(1, 9), 2.5, None),
        (types.whole_number(1, 9), True, None),
        (types.whole_number(1, 9), "2", None),
        (types.up_to(3, 7), 0, None),
        (types.up_to(3, 7), 1, 3),
        (types.up_to(3, 7), 3, 3),
        (types.up_to(3, 7), 4, 7),
        (types.up_to(3, 7), 8, 7),
        (types.up_to(3, 7), 10**400, 7),
        (types.up_to(3, 7), True, None),
        (types.up_to(3, 7), 3.0, None),
        (types.one_of(3, 7), 7, 7),
        (types.one_of(3, 7), 4, None),
        (types.one_of(1, 7), True, None),
        (types.one_of(3, 7), 7.0, None),
        (types.enum(LONG), LONG, LONG),
        (types.enum(LONGER), LONGER, "other"),
        (types.enum_set(LONG), [LONG], (LONG,)),
        (types.enum_set(LONGER), [LONGER], ("other",)),
        (types.enum_set("a", "b"), ["a", "b"] * 50, ("a", "b")),
        (types.enum_set("a", "b"), [*["a"] * 100, "b"], ("a", "other")),
        (types.enum_set("a", "b"), [*["a"] * 99, "b", "a"], ("a", "b", "other")),
        (types.enum_set("a"), ["acme", "a"], ("a", "other")),
        (types.class_path(versioned=[], versions=ENUM, plain=[LONG]), LONG, LONG),
        (types.class_path(versioned=[], versions=ENUM, plain=[LONGER]), LONGER, "custom"),
        (PATH, "m.B.v2", "m.B.other"),
        (VERSION, "1.2.3", "1.2.3"),
        (VERSION, "1.2.3.4", "1.2.3"),
        (VERSION, "1.2.3.4rc1", "1.2.3"),
        (VERSION, "1.2.", "1.2"),
        (VERSION, "999999.1", "999999.1"),
        (VERSION, "9999999.1", None),
        (VERSION, "1.2a999999", "1.2a999999"),
        (VERSION, "1.2a9999999", "1.2"),
        (VERSION, "1.2b", "1.2"),
        (VERSION, "1.2X3", "1.2"),
        (VERSION, "1.2a1X", "1.2a1"),
        (VERSION, 7, None),
        (VERSION, "1" + "." * 199, "1"),
        (VERSION, "1" + "." * 200, None),
        (types.UUID, "0b8a1c7e-3f43-4f0b-9d53-6f6f2d6b1a10", "0b8a1c7e-3f43-4f0b-9d53-6f6f2d6b1a10"),
        (types.UUID, "0b8a1c7e-3f43-4f0b-9d53-6f6f2d6b1a1X", None),
        (types.UUID, "0b8a1c7e-3f43-4f0b-9d53-6f6f2d6b1a10 alice", None),
        (types.UUID, "0b8a1c7e-3f43-4f0b-9d53-6f6f2d6b1a10\n", None),
    ],
    ids=lambda value: ascii(value)[:20] if isinstance(value, (str, list)) else None,
)
def test_the_limits_of_a_type(kind: types.Type, given_value: object, expected: object) -> None:
    """Each type selects the last valid value at its limits, and leaves out or replaces the first invalid one."""
    result = kind.select(given_value)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("kind", "memo", "values"),
    [
        (types.rate(decimals=6), types._rounded, [number / 1000 for number in range(100)]),
        (VERSION, types._version, [f"{number}.0" for number in range(100)]),
    ],
    ids=["Rate", "Version"],
)
def test_the_cache_is_bounded_and_correct(kind: types.Type, memo: Any, values: list[Any]) -> None:
    """The cache keeps 64 values, and each value is selected in the same way after any number of others."""
    for _ in range(2):
        assert [kind.select(value) for value in values] == values
    assert memo.cache_info().currsize == 64
