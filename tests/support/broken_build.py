"""Break the package by symbol, in programs that have a prepared directory on their PYTHONPATH.

Right after a module has run, the test's statements run in its namespace and replace definitions. If a symbol no longer
exists, the program fails, and so does the test.
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
    """Return a directory for PYTHONPATH that breaks modules of the package.

    Args:
        directory: where to create it.
        changes: the statements for each module, by the module's name.
        without_mem0: run the programs as if mem0ai were not installed, which is faster.
    """
    site = directory / "site"
    site.mkdir()
    program = _SITE.format(changes={name: textwrap.dedent(code) for name, code in changes.items()})
    (site / "sitecustomize.py").write_text(program + (WITHOUT_MEM0 if without_mem0 else ""))
    return site
