"""A batch's name contains its time, its number of records, and the version of its format."""

from __future__ import annotations

import pytest

from mem0_telemetry.delivery._batch import BatchName, readable_count

OURS = "00000000000000000007-0a1b2c3d-12.v1.jsonl"


@pytest.mark.parametrize("text", [OURS, OURS.replace("v1", "v2"), OURS.replace("-12", "-999999")])
def test_parsing_and_formatting_a_name_round_trips(text: str) -> None:
    """Parsing a name and formatting the result gives the same name."""
    assert str(BatchName.parse(text)) == text


def test_names_differ_and_sort_by_time() -> None:
    """Two batches of the same time have different names, and a time before 1970 still gives a valid name."""
    names = [str(BatchName.new(time_ns=time_ns, count=1)) for time_ns in (-5, 1, 1, 10**18)]
    assert len(set(names)) == 4
    assert names[1][:20] == names[2][:20]
    assert names[0] < min(names[1:3]) < max(names[1:3]) < names[3]
    assert [readable_count(name) for name in names] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (OURS, 12),
        (OURS.replace("-12", "-0"), 0),
        (OURS.replace("v1", "v2"), None),
        (OURS.replace("-12", "-1234567"), None),
        (OURS.replace("0a1b", "0A1B"), None),
        (OURS + ".part", None),
        (OURS + ".corrupt", None),
        ("0" + OURS, None),
        ("", None),
    ],
)
def test_other_names_have_no_count(text: str, count: int | None) -> None:
    """`readable_count` returns None for any text that is not a complete name of the current format."""
    assert readable_count(text) == count
