"""Run HogQL as PostHog does: parsed by PostHog's parser, translated, and executed by ClickHouse in this process."""

from __future__ import annotations

import importlib
import json
import sys
import types
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

Node = dict[str, Any]
_ERRORS: Final = "posthog.hogql.errors"

FUNCTIONS: Final = frozenset(
    (  # noqa: SIM905  # A list would take a page.
        "addWeeks any arrayFilter arrayJoin arrayMin arrayZip coalesce count countIf dateDiff extract groupUniqArray "
        "has if min multiIf notEmpty now nullIf round sqrt sum toFloat toMonday toStartOfDay "
        "toString tupleElement"
    ).split()
)
"""The functions that tiles may call. PostHog passes each to ClickHouse by this name, except `now` and `toFloat`."""

SETTINGS: Final = (
    "transform_null_in = 1, json_type_escape_dots_in_keys = 1, output_format_json_quote_64bit_integers = 0"
)
"""PostHog runs every query with the first two; the third is for reading the result here."""

_COLUMNS: Final = (
    "uuid UUID, event String, properties {type}, timestamp DateTime64(6, 'UTC'), distinct_id String, "
    "created_at DateTime64(6, 'UTC')"
)
TABLES: Final = {"text": "String", "json": "JSON"}
"""How PostHog stores properties: as JSON text, or in its newer table as ClickHouse's JSON type."""


@cache
def parse(query: str) -> Node:
    """Return the syntax tree of a query; raise PostHog's own error if the query is invalid."""
    if (
        _ERRORS not in sys.modules
    ):  # The parser imports its errors from PostHog's server, which has no package.
        sys.modules["posthog.hogql"] = types.ModuleType("posthog.hogql")
        errors = sys.modules[_ERRORS] = types.ModuleType(_ERRORS)
        for name in (
            "BaseHogQLError",
            "ExposedHogQLError",
            "NotImplementedError",
            "ParsingError",
            "SyntaxError",
        ):
            setattr(errors, name, type(name, (Exception,), {}))
    tree: Node = json.loads(importlib.import_module("hogql_parser").parse_select_json(query))
    return tree


def nodes(tree: Any) -> Iterator[Node]:
    """Yield every node of a tree."""
    if isinstance(tree, dict):
        if "node" in tree:
            yield tree
        for value in tree.values():
            yield from nodes(value)
    elif isinstance(tree, list):
        for item in tree:
            yield from nodes(item)


def properties(tree: Node) -> set[str]:
    """Return the names of the properties that a query reads."""
    return {str(node["chain"][1]) for node in nodes(tree) if _is_property(node)}


def events(tree: Node) -> set[str]:
    """Return the event names that a query compares with."""
    compared = [node for node in nodes(tree) if node["node"] == "CompareOperation"]
    of_events = [node["right"] for node in compared if node["left"].get("chain") == ["event"]]
    return {node["value"] for node in nodes(of_events) if node["node"] == "Constant"}


def translate(query: str, read: Callable[[str], str], now: str) -> str:
    """Return the ClickHouse SQL of a query.

    PostHog's own translator is part of its server. Only three constructs of the tiles are not valid ClickHouse SQL:
    properties; `toFloat`, which returns NULL if the value is not a number; and `now()`, which is a fixed moment here.
    PostHog also makes a comparison with NULL false. ClickHouse does the same in WHERE and `if`, but not in `!=` and
    NOT. So this function rejects those two, and also placeholders, joins, and functions that are not in `FUNCTIONS`.

    Args:
        query: HogQL.
        read: returns the SQL that reads a property.
        now: a moment, in UTC.

    Raises:
        ValueError: the query uses HogQL that this function does not translate.
    """
    edits: list[tuple[int, int, str]] = []
    for node in nodes(parse(query)):
        start, end = (node.get(place, {}).get("offset", 0) for place in ("start", "end"))
        kind, op = node["node"], node.get("op")
        if kind in {"Placeholder", "Not"} or op in {"!=", "not like", "not ilike"} or node.get("next_join"):
            raise ValueError(f"not translated: {query[start:end]}")
        if _is_property(node):
            edits.append((start, end, read(str(node["chain"][1]))))
        elif kind == "Call":
            name = node["name"]
            if name == "now":
                edits.append((start, end, f"toDateTime64('{now}', 6, 'UTC')"))
            elif name == "toFloat":
                edits += [(start, start + len(name), "accurateCastOrNull"), (end - 1, end - 1, ", 'Float64'")]
            elif name not in FUNCTIONS and not name.startswith("toInterval"):
                raise ValueError(f"not translated: {name}")
    for start, end, text in sorted(edits, reverse=True):
        query = query[:start] + text + query[end:]
    return query


def _is_property(node: Node) -> bool:
    return node["node"] == "Field" and node["chain"][0] == "properties"


def _read_text(name: str) -> str:
    """Return PostHog's SQL to read a property from JSON text: as text, or NULL if it is missing."""
    raw = f"nullIf(nullIf(JSONExtractRaw(properties, '{name}'), ''), 'null')"
    return f"""replaceRegexpAll({raw}, '^"|"$', '')"""


def _read_json(name: str) -> str:
    """Return PostHog's SQL to read a property from the type JSON as the same text."""
    path = f"`{name.replace('.', '%2E')}`"
    value, below = f"properties.{path}", f"toJSONString(properties.^{path})"
    listed = f"if(startsWith(toString({value}), '['), toJSONString({value}), toString({value}))"
    return f"if({below} = '{{}}', if(toString({value}) = '', NULL, {listed}), {below})"


_READERS: Final = {"text": _read_text, "json": _read_json}


class ClickHouse:
    """PostHog's table `events`, in each of its forms.

    Args:
        rows: events; their `properties` is a dict.
        directory: the directory for ClickHouse's files.
    """

    def __init__(self, rows: Sequence[dict[str, Any]], directory: Path) -> None:
        from chdb import session

        self._types: dict[str, str] = {}
        for name, value in (pair for row in rows for pair in row["properties"].items()):
            if isinstance(value, bool | int | float):
                self._types.setdefault(name, "Bool" if isinstance(value, bool) else "Float64")
        self._session: Any = session.Session(str(directory))
        for table, kind in TABLES.items():
            self._session.query(f"CREATE DATABASE {table}")
            columns = _COLUMNS.format(type=kind)
            self._session.query(f"CREATE TABLE {table}.events ({columns}) ENGINE = Memory")
        lines = (json.dumps({**row, "properties": json.dumps(row["properties"])}) for row in rows)
        self._session.query("INSERT INTO text.events FORMAT JSONEachRow\n" + "\n".join(lines))
        self._session.query(f"INSERT INTO json.events SELECT * FROM text.events SETTINGS {SETTINGS}")  # noqa: S608

    def run(self, query: str, *, table: str, typed: bool, now: str) -> list[dict[str, Any]]:
        """Return the rows of a HogQL query.

        Args:
            query: HogQL.
            table: one of `TABLES`.
            typed: read each property as the type that PostHog infers from the first value that arrives.
            now: a moment, in UTC.
        """

        def read(name: str) -> str:
            text = _READERS[table](name)
            kind = self._types.get(name) if typed else None
            return f"accurateCastOrNull({text}, '{kind}')" if kind else text

        self._session.query(f"USE {table}")
        sql = f"{translate(query, read, now)} SETTINGS {SETTINGS}"
        return [json.loads(line) for line in str(self._session.query(sql, "JSONEachRow")).splitlines()]

    def close(self) -> None:
        """Close the database."""
        self._session.close()
