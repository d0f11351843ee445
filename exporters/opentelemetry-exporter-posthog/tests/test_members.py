"""The caches of encoded attributes: used for common attributes, and bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from opentelemetry.exporter.posthog._members import MemberEncoder, joined
from opentelemetry.exporter.posthog.mapping import MappingOptions

if TYPE_CHECKING:
    from collections.abc import Mapping


def remembered(encoder: MemberEncoder, key: str, kind: type) -> int:
    """Return how many values of one type are cached for a key."""
    column: Any = encoder._columns[key, kind]
    return len(column)


def test_common_attributes_are_encoded_by_the_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attributes of OTel's types are encoded by the caches, never one by one."""
    attributes: Mapping[str, Any] = {
        "text": "x",
        "flag": True,
        "number": 1,
        "share": 0.5,
        "nothing": None,
        "texts": ("a", "b"),
        "numbers": (1, 2),
        "list": ["a"],
        "$left": "out",
    }
    expected = joined(MemberEncoder(MappingOptions()).encode_each(attributes))

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("one by one")

    monkeypatch.setattr(MemberEncoder, "encode_each", refuse)
    encoder = MemberEncoder(MappingOptions())
    assert [encoder.encode(attributes) for _ in range(3)] == [expected] * 3
    assert remembered(encoder, "texts", tuple) == 1
    assert remembered(encoder, "numbers", tuple) == 0


def test_few_and_short_values_are_remembered() -> None:
    """The cache of a key holds 64 values, none whose JSON member has more than 256 characters."""
    encoder = MemberEncoder(MappingOptions())
    for number in range(100):
        encoder.encode({"id": f"id-{number}"})
        encoder.encode({"long": "x" * (200 + number)})
    assert remembered(encoder, "id", str) == 64
    assert remembered(encoder, "long", str) == 256 - 200 - len('"long":"",') + 1


def test_few_shapes_are_remembered() -> None:
    """The cache holds the latest 2048 sets of keys, none with more than 128 keys."""
    encoder = MemberEncoder(MappingOptions())
    for number in range(5000):
        encoder.encode({f"key-{number}": 1})
    learnt = encoder._shape.cache_info()
    assert (learnt.currsize, learnt.misses) == (2048, 5000)
    encoder.encode({"key-4999": 1})
    assert encoder._shape.cache_info().misses == 5000
    encoder.encode({f"key-{number}": 1 for number in range(128)})
    assert encoder._shape.cache_info().misses == 5001
    encoder.encode({f"key-{number}": 1 for number in range(129)})
    assert encoder._shape.cache_info().misses == 5001


def test_an_unhashable_tuple_does_not_slow_the_other_attributes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From the second record on, the caches encode the attributes next to a tuple that contains a list."""
    attributes = {"items": ([1], "a"), "text": "x", "texts": ("a", "b")}
    encoder = MemberEncoder(MappingOptions())
    expected = encoder.encode({**attributes, "items": ("a",)}) and encoder.encode(attributes)
    assert expected == joined(encoder.encode_each(attributes))
    monkeypatch.setattr(MemberEncoder, "encode_each", lambda *_: pytest.fail("one by one"))
    assert [encoder.encode(attributes) for _ in range(3)] == [expected] * 3
    assert encoder.encode({**attributes, "items": ("a",)})[0] == '"items":["a"],"text":"x","texts":["a","b"],'
    assert not isinstance(encoder._columns["items", tuple], dict)
    assert remembered(encoder, "texts", tuple) == 1
    assert remembered(encoder, "text", str) == 1


def test_unique_texts_are_no_longer_cached() -> None:
    """From the next review on, a key with mostly new values has no cache; the JSON stays the same."""
    encoder = MemberEncoder(MappingOptions())
    for number in range(3000):
        encoder.encode({"id": f"id-{number}", "kind": "a"})
        encoder.review(1)
    assert not isinstance(encoder._columns["id", str], dict)
    assert remembered(encoder, "kind", str) == 1
    for text in ("x", "a\0b", "é", "\ud800", "https://u:p@host/path?q", "x" * 300):
        attributes = {"id": text}
        assert encoder.encode(attributes) == joined(MemberEncoder(MappingOptions()).encode_each(attributes))


@pytest.mark.parametrize("key", ["http.target", "page"])
def test_unique_urls_are_always_cleaned(key: str) -> None:
    """A key for URLs, by its own or by its mapped name, is also cleaned if it is no longer cached."""
    options = MappingOptions(property_names={"page": "$current_url"})
    encoder = MemberEncoder(options)
    for number in range(3000):
        encoder.encode({key: f"/orders/{number}?token=hunter2"})
        encoder.review(1)
    assert not isinstance(encoder._columns[key, str], dict)
    assert encoder.encode({key: "/orders?token=hunter2"})[0].endswith('"/orders",')
