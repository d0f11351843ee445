"""Tests of selection with hostile values: no code of a value runs, and only declared values are selected."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mem0_telemetry.policy.registry import EVENTS, Event, event_by_mem0_name, select, select_record
from support.observed_values import event


class Trap(str):
    """A string whose methods raise."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(f"{name} was called")

    def __eq__(self, other: object) -> bool:
        raise AssertionError("== was called")

    def __hash__(self) -> int:
        return str.__hash__(self)

    def __len__(self) -> int:
        raise AssertionError("len was called")

    def __str__(self) -> str:
        raise AssertionError("str was called")


class TrapList(list):  # type: ignore[type-arg]
    """A list that raises when it is read."""

    def __iter__(self) -> Any:
        raise AssertionError("iter was called")

    def __len__(self) -> int:
        raise AssertionError("len was called")


class TrapInt(int):
    """A number that raises when it is compared."""

    def __le__(self, other: object) -> bool:
        raise AssertionError("<= was called")

    __lt__ = __ge__ = __gt__ = __le__

    def __eq__(self, other: object) -> bool:
        raise AssertionError("== was called")

    def __hash__(self) -> int:
        raise AssertionError("hash was called")

    def __bool__(self) -> bool:
        raise AssertionError("bool was called")


class TrapDict(dict):  # type: ignore[type-arg]
    """A dict that raises when it is read."""

    def get(self, *_: object) -> Any:
        """Raise."""
        raise AssertionError("get was called")

    def __getitem__(self, _: object) -> Any:
        raise AssertionError("[] was called")

    def __iter__(self) -> Any:
        raise AssertionError("iter was called")


@pytest.mark.parametrize("registered", EVENTS, ids=lambda registered: registered.name)
def test_no_code_of_a_value_is_run(registered: Event) -> None:
    """A value of a subclass of a built-in type is left out, and no method of it is called; a cyclic list is safe."""
    cyclic: list[Any] = []
    cyclic.append(cyclic)
    names = {a.mem0_name for a in registered.attributes if a.mem0_name} | {*registered.names_only}
    for trap in (Trap("x"), TrapList(["x"]), TrapInt(1), TrapDict(a=1), object()):
        given = dict.fromkeys(names - {*registered.names_only}, trap)
        assert select(registered, given) == {}
    assert set(select(registered, dict.fromkeys(names, cyclic)).values()) <= {
        ("other",),
        registered.names_only,
    }


def test_no_code_of_a_key_is_run() -> None:
    """A key that is not a plain string is not looked up, and the other values are still selected."""
    observed: dict[Any, Any] = {Trap("limit"): 3, "sync_type": "sync", 7: 7, None: None}
    assert select(event("mem0.search"), observed) == {"mem0.sync_type": "sync"}
    observed = {Trap("custom_instructions"): "x", "custom_categories": ["x"]}
    assert select(event("client.project.update"), observed) == {"mem0.parameters": ("custom_categories",)}


def test_only_a_plain_dict_is_read() -> None:
    """Nothing is selected from an object that is not exactly a `dict`."""
    for observed in (None, 7, "x", [("limit", 3)], TrapDict(limit=3)):
        assert select(event("mem0.search"), observed) == {}


def test_many_undeclared_values_select_nothing() -> None:
    """Nothing is selected from a hundred thousand undeclared values."""
    assert select(event("mem0.search"), {f"k{n}": n for n in range(100_000)}) == {}


def test_an_unknown_event_is_none() -> None:
    """A name that the registry does not declare, such as Mem0's notices and `$identify`, is not an event."""
    names: list[object] = ["mem0.notice_displayed", "$identify", "mem0.x", "", None, 7, [], Trap("mem0.add")]
    for name in names:
        assert event_by_mem0_name(name) is None


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.data())
def test_only_declared_values_are_selected(data: st.DataObject) -> None:
    """For any observed values of any event, each selected value is one that its type declares, and is stable."""
    registered = data.draw(st.sampled_from(EVENTS))
    names = sorted(
        {a.mem0_name for a in registered.attributes if a.mem0_name} | {*registered.names_only, "user_id"}
    )
    observed = data.draw(st.dictionaries(st.sampled_from(names) | st.text(), ANYTHING))
    result = select(registered, observed)
    types = {attribute.key: attribute.type for attribute in registered.attributes}
    for key, value in result.items():
        assert type(value) in {bool, int, float, str, tuple}
        assert value not in ((), "")
        assert types[key].select(value) == value
    assert select_record(result, registered.name) == result


def _texts_in(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, tuple) else [str(value)]


@given(st.text(min_size=4, max_size=30), st.sampled_from(EVENTS))
def test_a_planted_text_is_never_selected(secret: str, registered: Event) -> None:
    """A user's text that is planted in every value and as a key is never in the selected attributes."""
    names = [a.mem0_name for a in registered.attributes if a.mem0_name] + [*registered.names_only]
    declared = {str(value) for a in registered.attributes for value in a.type.texts}
    if any(secret in value for value in declared) or secret.strip("0123456789.") == "":
        return
    for planted in (secret, [secret], {secret: secret}, [[secret]], (secret, "user_id")):
        observed = {**dict.fromkeys(names, planted), secret: planted}
        selected = select(registered, observed)
        assert selected.keys() <= {a.key for a in registered.attributes}
        assert not [value for value in selected.values() if secret in "\n".join(_texts_in(value))]
