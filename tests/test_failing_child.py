"""The report of a failed test shows what its child processes returned and printed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent
FAILING = """
import subprocess, sys
def test_that_fails():
    code = "import os; os.write(1, b'to stdout'); os.write(2, b'to stderr'); os.abort()"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
"""


def test_a_failing_child_shows_its_return_code_and_both_streams(tmp_path: Path) -> None:
    """The report of a failed test contains the return code, stdout and stderr of its child process."""
    (tmp_path / "test_failing.py").write_text(FAILING)
    shutil.copy(TESTS / "conftest.py", tmp_path)
    options = ["-q", "-p", "no:cacheprovider", "-o", f"pythonpath={TESTS}"]
    command = [sys.executable, "-m", "pytest", *options, "test_failing.py"]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout
    assert "returned -6" in shown
    assert "to stdout" in shown.partition("returned -6")[2]
    assert "to stderr" in shown.partition("returned -6")[2]
