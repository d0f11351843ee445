"""Print the mutants of Python files, one JSON object a line: mutmut's operators, applied everywhere in a file.

With `--checks` as the first argument, each mutant removes one check: a condition becomes true or false; one side of an
`and` or an `or`, a `not`, or a call statement is removed.

`run.py` runs this in the environment with mutmut. mutmut's own runner would skip decorated functions (properties,
context managers, cached functions) and module-level code.
"""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import libcst as cst
from libcst import matchers
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME = matchers.Name("TYPE_CHECKING")
FOR_TYPE_CHECKERS = matchers.If(test=NAME) | matchers.Assign(targets=[matchers.AssignTarget(target=NAME)])


def mutants(
    path: str, changes: Callable[[cst.CSTNode], Iterator[cst.CSTNode]]
) -> Iterator[dict[str, object]]:
    """Yield each mutant of a file that differs from it in more than annotations and docstrings."""
    wrapper = MetadataWrapper(cst.parse_module(Path(path).read_text()))
    module, positions = wrapper.module, wrapper.resolve(PositionProvider)
    seen = {meaning(module.code)}
    for node, symbol in walk(module):
        for new in changes(node):
            try:
                source = module.deep_replace(node, new).code
                said = meaning(source)
            except (SyntaxError, cst.CSTValidationError):
                continue
            if said not in seen:
                seen.add(said)
                line = positions[node].start.line
                yield {"path": path, "symbol": symbol, "line": line, "source": source}


def walk(node: cst.CSTNode, symbol: str = "") -> Iterator[tuple[cst.CSTNode, str]]:
    """Yield each node with its class and function, except annotations and code for type checkers only."""
    if isinstance(node, cst.Annotation) or matchers.matches(node, FOR_TYPE_CHECKERS):
        return
    if isinstance(node, (cst.FunctionDef, cst.ClassDef)):
        symbol = f"{symbol}.{node.name.value}".lstrip(".")
    yield node, symbol
    for child in node.children:
        yield from walk(child, symbol)


def checks_removed(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Yield each replacement of a node that removes a check."""
    if isinstance(node, cst.Expr) and isinstance(node.value, cst.Call):
        yield cst.Pass()
    if isinstance(node, (cst.If, cst.IfExp, cst.CompIf)):
        yield node.with_changes(test=cst.Name("True"))
        yield node.with_changes(test=cst.Name("False"))
    if isinstance(node, cst.BooleanOperation):
        yield from (node.left, node.right)
    if isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Not):
        yield node.expression


def everything(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Yield each replacement of a node. A string has only one mutant; a call statement may also be removed."""
    if isinstance(node, cst.Expr) and isinstance(node.value, cst.Call):
        yield cst.Pass()
    for kind, operator in mutation_operators:
        if isinstance(node, kind):
            every = operator(node)
            yield from list(every)[:1] if kind is cst.BaseString else every


def meaning(source: str) -> str:
    """Return the syntax tree of a file without annotations and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            node.returns = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value = ast.Constant(None)
    return ast.dump(tree)


only_checks = sys.argv[1] == "--checks"
for argument in sys.argv[1 + only_checks :]:
    for mutant in mutants(argument, checks_removed if only_checks else everything):
        print(json.dumps(mutant))
