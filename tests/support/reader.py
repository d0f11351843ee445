"""Run the code blocks of the documents exactly as they are written, as a careful reader would."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from support.processes import NO_EXPORTERS, posthog_environ, run_program

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[2]
README: Final = ROOT / "README.md"
_FENCE: Final = re.compile(
    r"^```(?P<language>\w+)(?: (?P<file>\S+))?\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)
_HEADING: Final = re.compile(r"^## (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced code block."""

    section: str
    """The second-level heading above the block."""
    language: str
    file: str
    """The file's name after the language; empty if there is none."""
    text: str


def blocks(document: Path, *, section: str, language: str = "") -> list[Block]:
    """Return the code blocks of a section in order, of one `language` if it is given."""
    found = [block for block in every_block(document) if block.section == section]
    assert found, f"{document.name} has no code under {section!r}"
    return [block for block in found if not language or block.language == language]


def every_block(document: Path) -> Iterator[Block]:
    """Yield all code blocks of a document in order."""
    text = document.read_text()
    for fence in _FENCE.finditer(text):
        headings = _HEADING.findall(text, 0, fence.start())
        yield Block(
            section=headings[-1] if headings else "", **{k: v or "" for k, v in fence.groupdict().items()}
        )


class Reader:
    """A user with a home, a working directory and an environment, who cannot reach other machines.

    Attributes:
        directory: the working directory, in which `write` saves blocks.
        environ: the environment; a test may change it before it runs a block.
    """

    def __init__(self, *, home: Path, posthog_url: str, openai_url: str) -> None:
        self.directory = home / "project"
        self.directory.mkdir(parents=True)
        self.environ = posthog_environ(
            home,
            posthog_url,
            PATH=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
            OPENAI_API_KEY="sk-reader",
            OPENAI_BASE_URL=openai_url,
            MEM0_TELEMETRY_EXIT_TIMEOUT="20",  # this machine may be busy
            # The reader does not use OpenTelemetry, unless a document sets it up.
            **NO_EXPORTERS,
            # A request to another machine fails: it goes to a proxy that does not exist.
            HTTP_PROXY="http://127.0.0.1:9",
            HTTPS_PROXY="http://127.0.0.1:9",
            NO_PROXY="127.0.0.1,localhost",
        )
        self.environ.pop("OPENROUTER_API_KEY", None)  # Mem0 would use it instead of OpenAI.

    def write(self, block: Block) -> None:
        """Save a block under its own name."""
        assert block.file
        (self.directory / block.file).write_text(block.text)

    def run(self, block: Block, *, directory: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a shell block as it is written; it must succeed."""
        assert block.language == "bash"
        return self.shell(block.text, directory=directory)

    def shell(self, command: str, *, directory: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command; it must succeed."""
        result = run_program(
            ["bash", "-euo", "pipefail", "-c", command],
            self.environ,
            cwd=directory or self.directory,
            timeout=180,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result
