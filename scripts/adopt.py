"""Build the source of a mem0ai that has adopted the drop-in: `.venv/bin/python scripts/adopt.py DIRECTORY`.

The script downloads the release that requirements/constraints.txt pins, and makes only the change in docs/adoption.md.
It leaves the release's archive in DIRECTORY, and the changed source in DIRECTORY/mem0ai.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Download, unpack and change the release."""
    directory = Path(sys.argv[1])
    shutil.rmtree(directory, ignore_errors=True)
    pins = (ROOT / "requirements" / "constraints.txt").read_text()
    release = re.findall(r"^mem0ai==.+$", pins, re.MULTILINE)
    options = ["--quiet", "--no-deps", "--no-binary=mem0ai", "--no-build-isolation", f"--dest={directory}"]
    subprocess.run([sys.executable, "-m", "pip", "download", *options, *release], check=True)
    (archive,) = directory.glob("*.tar.gz")
    shutil.unpack_archive(archive, directory)
    source = (directory / archive.name.removesuffix(".tar.gz")).rename(directory / "mem0ai")
    adopt(source)


def adopt(source: Path) -> None:
    """Make the change that the page shows: a whole module, and lines of pyproject.toml."""
    page = (ROOT / "docs" / "adoption.md").read_text()
    blocks = dict(re.findall(r"^```\w+ (\S+)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE))
    project = source / "pyproject.toml"
    lines = blocks.pop("pyproject.toml").splitlines(keepends=True)
    before, after = ("".join(line[1:] for line in lines if line.startswith(sign)) for sign in "-+")
    text = project.read_text()
    assert text.count(before) == 1, f"this release has not the lines {before!r} in pyproject.toml"
    project.write_text(text.replace(before, after))
    for name, module in blocks.items():
        (source / name).write_text(module)


if __name__ == "__main__":
    main()
