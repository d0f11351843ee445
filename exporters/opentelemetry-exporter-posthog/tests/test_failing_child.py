"""The report of a failed test shows its child processes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

_CONFTEST = Path(__file__).with_name("conftest.py")
_FAILING = """
import subprocess, sys
def test_that_fails():
    code = "import os; os.write(1, b'to stdout'); os.write(2, b'to stderr'); os.abort()"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
"""


def test_a_failing_child_shows_its_return_code_and_both_streams(tmp_path: Path) -> None:
    """The report of a failed test contains the return code, stdout and stderr of its child process."""
    (tmp_path / "test_failing.py").write_text(_FAILING)
    shutil.copy(_CONFTEST, tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_failing.py"]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout
    _, _, section = shown.partition("returned -6")
    assert "to stdout" in section
    assert "to stderr" in section
