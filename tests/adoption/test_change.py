"""The tested mem0ai is the release with the change of docs/adoption.md, and no other change."""

from __future__ import annotations

import re
import tarfile
from importlib.metadata import distribution, requires
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adoption.md").read_text()
MODULE = "mem0/memory/telemetry.py"


def installed() -> dict[str, bytes]:
    """Return the files of the installed package, by name."""
    files = distribution("mem0ai").files or []
    return {
        str(file): file.read_binary() for file in files if file.parts[0] == "mem0" and file.suffix != ".pyc"
    }


def released() -> dict[str, bytes]:
    """Return the files of the package as Mem0 released it."""
    (archive,) = (ROOT / ".build" / "adoption").glob("mem0ai-*.tar.gz")
    with tarfile.open(archive) as contents:
        found = {
            str(PurePosixPath(*PurePosixPath(member.name).parts[1:])): contents.extractfile(member)
            for member in contents.getmembers()
            if member.isfile()
        }
        return {name: file.read() for name, file in found.items() if file and name.startswith("mem0/")}


def test_one_module_differs_from_the_release() -> None:
    """Only the telemetry module differs from the release. It is the one on the page, and has at most 30 lines."""
    ours, theirs = installed(), released()
    assert len(theirs) > 100
    assert {name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name)} == {MODULE}
    shown = re.findall(rf"^```python {MODULE}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert [ours[MODULE].decode()] == shown
    assert len(shown[0].splitlines()) <= 30


def test_one_dependency_replaces_another() -> None:
    """Without extras, mem0ai requires this package, as the page shows, and no longer requires PostHog's."""
    needed = [Requirement(text) for text in requires("mem0ai") or () if "extra ==" not in text]
    (shown,) = re.findall(r'^\+ +"(.+)",$', PAGE, re.MULTILINE)
    assert Requirement(shown) in needed
    assert "posthog" not in {requirement.name for requirement in needed}
