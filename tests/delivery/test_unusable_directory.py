"""If the directory vanishes, is read-only, or its disk is full, a process still delivers, and prints nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support import delivery as support

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mem0_telemetry.delivery import Delivery

    Make = Callable[..., Delivery]

pytestmark = pytest.mark.posix


def test_the_directory_vanishes_under_a_process(directory: Path, sink: support.Sink) -> None:
    """A process delivers new events and prints nothing if its directory is removed, or replaced by a file."""
    code = """
import shutil
d = to_sink(D, P)
def replace(): shutil.rmtree(D); Path(D).touch()
for number, damage in enumerate((int, lambda: shutil.rmtree(D), replace, lambda: os.unlink(D))):
    damage()
    enqueue_numbers(d, [number]); assert d.flush(60), d.status()
    print(d.status().destinations[0].on_disk)
"""
    finished = support.run(code, directory, sink.port)
    assert (finished.out, finished.err) == ("True\nTrue\nFalse\nTrue\n", "")
    assert sink.numbers() == [0, 1, 2, 3]


AS_NOBODY = """
warm = to_sink(None, P); enqueue_numbers(warm, [-1]); warm.shutdown(10)  # imports, while it can read the library
if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)
"""
"""The start of a program that does not run as root, so permissions apply to it."""


@pytest.fixture
def home() -> Iterator[Path]:
    """Create a home for such a program: pytest closes its own directories to other users at each session's start."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name, "home")
        home.mkdir()
        if os.geteuid() == 0:
            home.parent.chmod(0o711)
            shutil.chown(home, 65534, 65534)
        yield home


@pytest.mark.parametrize("umask", [0o077, 0o117, 0o177, 0o777])
def test_the_umask_of_a_daemon(umask: int, sink: support.Sink, home: Path) -> None:
    """Files and directories get their modes despite the umask: otherwise even their owner could not open them."""
    code = f"""
os.umask({umask})
d = to_sink(D, P); enqueue_numbers(d, [1]); assert d.flush(60); assert d.status().destinations[0].on_disk
modes = [oct(path.stat().st_mode & 0o777) for path in (Path(D), *Path(D).rglob("*"))]
print(sorted(set(modes)))
"""
    finished = support.run(AS_NOBODY + code, home / "telemetry", sink.port, cwd="/")
    assert (finished.out, finished.err) == ("['0o600', '0o700']\n", "")


def test_a_file_system_that_refuses_modes(
    make: Make, sink: support.Sink, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If modes cannot be set but are already private, batches are still written to disk completely."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "fchmod", refuse)
    monkeypatch.setattr(os, "chmod", refuse)
    sink.answer_all(503)
    delivery = make(support.destination_to(sink.port))
    for number in range(5):
        support.enqueue_numbers(delivery, [number])
        assert delivery._writer.flush(60)
    assert len(support.spooled_files(directory)) == 5
    assert not any(name.endswith(".part") for name in support.files(directory))


def test_a_read_only_directory(sink: support.Sink, home: Path) -> None:
    """If the directory is or becomes read-only (for a user other than root), batches stay in memory."""
    code = """
d = to_sink(D, P); numbers = iter(range(10))
for mode in (0o500, 0o700, 0o500):
    os.chmod(os.path.dirname(D), 0o700); os.makedirs(os.path.join(D, "spool", "loop-abc123"), exist_ok=True)
    for path in (os.path.join(D, "spool", "loop-abc123"), D): os.chmod(path, mode)
    enqueue_numbers(d, [next(numbers)]); assert d.flush(60), d.status()
    print(d.status().destinations[0].on_disk)
"""
    finished = support.run(AS_NOBODY + code, home / "telemetry", sink.port, cwd="/")
    assert (finished.out, finished.err) == ("False\nTrue\nFalse\n", "")
    assert sink.numbers() == [-1, 0, 1, 2]


def test_batches_in_a_read_only_directory(sink: support.Sink, home: Path) -> None:
    """Files in a read-only directory are not sent, because each process would send them again; they delay no event."""
    code = """
box = os.path.join(D, "spool", "loop-abc123")
down = to_sink(D, 1); enqueue_numbers(down, [0]); down.shutdown(0); os.chmod(box, 0o500)
for number in (1, 2):
    d = to_sink(D, P); enqueue_numbers(d, [number]); assert d.flush(60), d.status(); d.shutdown(0)
os.chmod(box, 0o700)
d = to_sink(D, P); enqueue_numbers(d, [3])
assert wait_until(lambda: not os.listdir(box)), os.listdir(box)
"""
    finished = support.run(AS_NOBODY + code, home / "telemetry", sink.port, cwd="/")
    assert (finished.out, finished.err) == ("", "")
    assert sorted(sink.numbers()) == [-1, 0, 1, 2, 3]
    assert sink.numbers()[:3] == [-1, 1, 2]


def test_a_full_disk(directory: Path, sink: support.Sink) -> None:
    """If files cannot grow (here because of a size limit), batches are kept in memory and delivered."""
    code = """
import resource
d = to_sink(D, P)
enqueue_numbers(d, [0]); assert d.flush(60)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
enqueue_numbers(d, range(1, 200)); assert d.flush(60)
print(d.status().destinations[0].on_disk)
"""
    finished = support.run(code, directory, sink.port)
    assert (finished.out, finished.err) == ("False\n", "")
    assert sink.numbers() == list(range(200))
    assert [path for path in (directory / "spool").rglob("*") if path.is_file()] == []
