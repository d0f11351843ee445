"""The links of the documents lead somewhere, and the commands, targets and files that they name exist."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from mem0_telemetry import cli
from support.reader import README, ROOT

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENTS = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "examples").rglob("*.md"),
    *(ROOT / "exporters").glob("*/*.md"),
]

SOURCES = ("src", "tests", "examples", "exporters", "benchmarks", "scripts")
HOME = "https://github.com/mem0ai/mem0-telemetry"
"""Where the repository will be published: a page of a package index cannot link to the files of the repository."""


def test_links_have_targets() -> None:
    """Each link to this repository, relative or absolute, names an existing file, and each anchor a heading."""
    broken = []
    for document in DOCUMENTS:
        text = re.sub(rf"\({HOME}/(?:blob|tree|raw)/main/", f"({ROOT}/", document.read_text())
        for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text):
            path, _, anchor = target.partition("#")
            file = (document.parent / path).resolve() if path else document
            if not file.exists() or (anchor and anchor not in anchors(file)):
                broken.append(f"{document.relative_to(ROOT)}: {target}")
    assert broken == []


@pytest.mark.parametrize("page", [README, *(ROOT / "exporters").glob("*/README.md")], ids=str)
def test_readmes_have_absolute_links(page: Path) -> None:
    """A README, which a package index shows, has only absolute links, and its metadata names the same home page."""
    assert re.findall(r"\]\((?!https?:|#)([^)\s]+)\)", page.read_text()) == []
    assert f'Homepage = "{HOME}' in page.with_name("pyproject.toml").read_text()


def anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub generates them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_command_is_in_the_readme(capsys: pytest.CaptureFixture[str]) -> None:
    """The README's table has each command, and no document names a command that does not exist."""
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    commands = set(re.findall(r"^    ([a-z-]+) ", capsys.readouterr().out, re.MULTILINE))
    table = README.read_text().partition("## Command\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`.+?`) \| ", table, re.MULTILINE)
    in_table = {name for cell in cells for name in re.findall(r"`([a-z-]+)", cell)}
    assert in_table - {"mem0-telemetry"} == commands
    named = {name for text in texts() for name in re.findall(r"`mem0-telemetry ([a-z-]+)", text)}
    assert named <= commands


def test_make_targets_exist() -> None:
    """Each `make` target that a document names exists."""
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        target
        for text in texts()
        for said in re.findall(r"(?:^|`)make ((?:[a-z0-9-]+ ?)+)(?:`|[A-Z]+=| *#|$)", text, re.MULTILINE)
        for target in said.split()
    }
    assert named
    assert named <= targets


def test_every_room_is_in_the_architecture() -> None:
    """The diagram of the layers has each top-level module and package of `src/mem0_telemetry`, and no others."""
    picture = (ROOT / "docs" / "architecture.md").read_text().partition("```text\n")[2].partition("```")[0]
    package = ROOT / "src" / "mem0_telemetry"
    rooms = {
        path.name + "/" * path.is_dir()
        for path in package.iterdir()
        if path.name not in ("__init__.py", "__pycache__", "py.typed")
    }
    assert set(re.findall(r"[a-z_0-9]+(?:\.py\b|/)", picture)) == rooms


def test_every_helper_of_the_tests_is_in_contributing() -> None:
    """The section "Write a test" of CONTRIBUTING.md names each module of `tests/support`."""
    index = (ROOT / "CONTRIBUTING.md").read_text().partition("## Write a test\n")[2].partition("\n## ")[0]
    modules = {path.name for path in (ROOT / "tests" / "support").glob("*.py")} - {"__init__.py"}
    assert modules - set(re.findall(r"`([\w/]+\.py)`", index)) == set()


def test_every_source_file_names_its_licence() -> None:
    """Each source file of both distributions begins with the licence's SPDX identifier."""
    sources = [*(ROOT / "src").rglob("*.py"), *(ROOT / "exporters").glob("*/src/**/*.py")]
    line = "# SPDX-License-Identifier: Apache-2.0\n"
    assert [str(source) for source in sources if not source.read_text().startswith(line)] == []
    assert len(sources) > 100


def test_files_exist() -> None:
    """Each Python file that a document names exists in the repository."""
    files = {path.as_posix() for root in SOURCES for path in (ROOT / root).rglob("*.py")}
    for document in DOCUMENTS:
        for name in re.findall(r"`((?:[\w.-]+/)*\w+\.py)\b", document.read_text()):
            assert any(file.endswith("/" + name) for file in files), f"{document.name}: {name}"


def texts() -> list[str]:
    """Return the text of each document."""
    return [document.read_text() for document in DOCUMENTS]
