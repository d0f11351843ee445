"""Break the package by symbol, in programs that run with a directory on their PYTHONPATH.

Right after a module has run, statements run in its namespace and replace what it defines. A symbol that is gone is an
error in the program, so the test fails.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SITE = """
import importlib.machinery, sys
CHANGES = {changes!r}
run = importlib.machinery.SourceFileLoader.exec_module
def exec_module(self, module):
    run(self, module)
    exec(CHANGES.get(module.__name__, ""), vars(module))
importlib.machinery.SourceFileLoader.exec_module = exec_module
"""
WITHOUT_MEM0 = "import sys\nsys.modules['mem0'] = None\n"


def broken_build(directory: Path, changes: Mapping[str, str], *, without_mem0: bool = False) -> Path:
    """Return a directory that breaks the package, module by module, with statements.

    Args:
        directory: where it is made.
        changes: the statements for each module, by the module's name.
        without_mem0: let the programs believe that mem0ai is not installed, which is faster.
    """
    site = directory / "site"
    site.mkdir()
    program = _SITE.format(changes={name: textwrap.dedent(code) for name, code in changes.items()})
    (site / "sitecustomize.py").write_text(program + (WITHOUT_MEM0 if without_mem0 else ""))
    return site
