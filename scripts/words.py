"""Fail on words that the glossary in CONTRIBUTING.md replaces: `.venv/bin/python scripts/words.py`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

WORDS = {
    r"\bstand(s|ing)?[ _-]in\b|\bStandIn\b|\bstand-ins\b": "drop-in, replace, restore; for a test: fake",
    r"\bDESIGN \d|\bVOICE\.md|\bFACTS\.md": "a document of this repository, or a specification by its name",
    r"\b\w*_facts\b|\bfacts of an? (instance|client|memory)": "observed values",
    r"\b[Ww]hoever\b": "a noun: the caller, the process, the user",
    r"\b[Tt]akes? note\b": "record, count",
    r"\blets? go of\b|\bletting go of\b": "release, remove",
    r"\bin the (midst|place) of\b|\bat present\b|\bonce more\b": "during, instead of, now, again",
    r"\bbut for\b": "except",
}
"""A pattern for each word to avoid, and the word to write instead."""


def main() -> None:
    """Print each place of such a word, with the word to write instead; exit with 1 if there is one."""
    listed = ["git", "ls-files", "*.py", "*.md", ":!scripts/words.py"]
    names = subprocess.run(listed, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = [
        f"{name}:{number}: {match.group()!r}: write {instead}"
        for name in names.splitlines()
        if Path(name).exists()
        for number, line in enumerate(Path(name).read_text(encoding="utf-8").splitlines(), 1)
        for word, instead in WORDS.items()
        for match in re.finditer(word, line)
    ]
    sys.exit("\n".join(found) or 0)


if __name__ == "__main__":
    main()
