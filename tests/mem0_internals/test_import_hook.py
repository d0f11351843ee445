"""The import hook runs right after a module's own code, leaves no trace on the module and breaks no import."""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from mem0_telemetry import mem0_internals
from mem0_telemetry.mem0_internals import import_hook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

pytestmark = pytest.mark.interpreter


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Create an importable package `hooked` with one module `part`, which is not imported yet."""
    (tmp_path / "hooked").mkdir()
    (tmp_path / "hooked" / "__init__.py").write_text("")
    (tmp_path / "hooked" / "part.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "hooked"
    for name in ("hooked", "hooked.part"):
        sys.modules.pop(name, None)


def test_hook_runs_after_the_modules_own_code(package: str) -> None:
    """A hook sees the values that the module defined, and the importer sees the values that the hook changed."""

    def double(module: ModuleType) -> None:
        module.value *= 2

    import_hook.when_imported(f"{package}.part", double)
    module = importlib.import_module(f"{package}.part")
    import_hook.forget(f"{package}.part", double)
    assert module.value == 2


def test_hook_runs_at_once_for_a_loaded_module(package: str) -> None:
    """If the module is already loaded, the hook runs when it is registered."""
    module = importlib.import_module(f"{package}.part")
    seen: list[ModuleType] = []
    import_hook.when_imported(f"{package}.part", seen.append)
    import_hook.forget(f"{package}.part", seen.append)
    assert seen == [module]


def test_nothing_of_ours_stays_on_the_module(package: str) -> None:
    """After the import, the module has its own loader and spec."""
    import_hook.when_imported(f"{package}.part", id)  # type: ignore[arg-type]
    module = importlib.import_module(f"{package}.part")
    import_hook.forget(f"{package}.part", id)  # type: ignore[arg-type]
    assert module.__spec__ is not None
    assert module.__loader__ is module.__spec__.loader
    assert type(module.__loader__).__module__ == "_frozen_importlib_external"


def test_finder_leaves_with_its_last_hook(package: str) -> None:
    """After `forget` of the last hook, `sys.meta_path` is as it was before."""
    before = list(sys.meta_path)
    import_hook.when_imported(f"{package}.part", id)  # type: ignore[arg-type]
    assert sys.meta_path != before
    import_hook.forget(f"{package}.part", id)  # type: ignore[arg-type]
    assert sys.meta_path == before


def test_exception_of_a_hook_never_reaches_the_import(package: str, reported: list[str]) -> None:
    """The import succeeds if a hook raises, and the exception is reported once."""

    def broken(_: ModuleType) -> None:
        raise ZeroDivisionError

    import_hook.when_imported(f"{package}.part", broken)
    module = importlib.import_module(f"{package}.part")
    import_hook.forget(f"{package}.part", broken)
    assert module.value == 1
    assert len(reported) == 1
    reported.clear()


def test_exception_of_the_module_reaches_the_importer(package: str, tmp_path: Path) -> None:
    """A module that fails to import raises its own exception, and its hook does not run."""
    (tmp_path / package / "part.py").write_text("raise LookupError('its own')\n")
    seen: list[ModuleType] = []
    import_hook.when_imported(f"{package}.part", seen.append)
    with pytest.raises(LookupError, match="its own"):
        importlib.import_module(f"{package}.part")
    import_hook.forget(f"{package}.part", seen.append)
    assert seen == []


def test_reload_runs_the_hook_again(package: str) -> None:
    """`importlib.reload` executes the module's code again, so the hook must run again too."""
    seen: list[ModuleType] = []
    import_hook.when_imported(f"{package}.part", seen.append)
    module = importlib.import_module(f"{package}.part")
    importlib.reload(module)
    import_hook.forget(f"{package}.part", seen.append)
    assert seen == [module, module]


def test_served_module_is_one_object_under_both_names(package: str) -> None:
    """A served module gets its second name from the import system itself, and keeps its own attributes."""
    spec_before = import_hook.__spec__
    import_hook.serve(f"{package}.part", import_hook)
    module = importlib.import_module(f"{package}.part")
    import_hook.withdraw(f"{package}.part")
    assert module is import_hook
    assert sys.modules[package].part is import_hook
    assert import_hook.__spec__ is spec_before
    assert import_hook.__name__ == "mem0_telemetry.mem0_internals.import_hook"


class Moment:
    """A point in a module's own code: the import waits there for `go_on`, and then fails if `fails` is set."""

    def __init__(self) -> None:
        self.reached, self.go_on, self.fails = threading.Event(), threading.Event(), False

    def __call__(self) -> None:
        """Wait until the test sets `go_on`."""
        self.reached.set()
        assert self.go_on.wait(60)
        if self.fails:
            raise ValueError("the module's own code fails")


@pytest.fixture
def moment(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Moment:
    """Make the code of `hooked.part` call a `Moment`."""
    made = Moment()
    monkeypatch.setattr(sys, "moment", made, raising=False)
    (tmp_path / package / "part.py").write_text("import sys\nsys.moment()\nvalue = 1\n")
    return made


def import_elsewhere(name: str) -> threading.Thread:
    """Import a module on another thread, and return the thread to join."""

    def run() -> None:
        try:
            importlib.import_module(name)
        except ValueError:
            return

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_hooks_run_after_an_import_in_progress(package: str, moment: Moment) -> None:
    """A hook registered while another thread imports the module runs once, after the import. So does a later one."""
    name = f"{package}.part"
    values: list[int] = []
    hooks = [lambda module: values.append(module.value), lambda module: values.append(-module.value)]
    importing = import_elsewhere(name)
    assert moment.reached.wait(60)
    import_hook.when_imported(name, hooks[0])
    import_hook.when_imported(name, hooks[0])
    assert values == []
    moment.go_on.set()
    importing.join()
    import_hook.when_imported(name, hooks[1])
    module = sys.modules[name]
    assert values == [1, -1]
    assert module.__spec__ is not None
    assert type(module.__spec__).__module__ == "_frozen_importlib"
    importlib.reload(module)
    assert values == [1, -1, 1, -1]
    for hook in hooks:
        import_hook.forget(name, hook)


def test_hook_waits_for_a_successful_import(package: str, moment: Moment) -> None:
    """A failed import runs no hook; the next successful import of that module does."""
    name = f"{package}.part"
    seen: list[ModuleType] = []
    moment.fails = True
    importing = import_elsewhere(name)
    assert moment.reached.wait(60)
    import_hook.when_imported(name, seen.append)
    moment.go_on.set()
    importing.join()
    assert seen == []
    moment.fails = False
    module = importlib.import_module(name)
    import_hook.forget(name, seen.append)
    assert seen == [module]


def test_hook_runs_if_the_finders_were_asked_before(package: str, moment: Moment, tmp_path: Path) -> None:
    """The hook runs even if another thread has already asked all finders for the module, to import its package."""
    name = f"{package}.part"
    (tmp_path / package / "__init__.py").write_text("import sys\nsys.moment()\nfrom hooked import part\n")
    (tmp_path / package / "part.py").write_text("value = 1\n")
    seen: list[ModuleType] = []
    importing = import_elsewhere(package)
    assert moment.reached.wait(60)
    import_hook.when_imported(name, seen.append)
    sys.meta_path.remove(import_hook._finder)  # that thread did not see it  # type: ignore[arg-type]
    moment.go_on.set()
    importing.join()
    import_hook.forget(name, seen.append)
    assert seen == [sys.modules[name]]
    assert type(sys.modules[package]) is type(sys)


class AsksAllOthers:
    """A finder like those of some tools: it looks for a module by asking every other finder."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> object:
        """Return the first spec that another finder returns."""
        found = (
            finder.find_spec(name, path, target) for finder in tuple(sys.meta_path) if finder is not self
        )
        return next(filter(None, found), None)


@pytest.mark.parametrize("place", [0, 1])
def test_a_finder_that_asks_all_others_runs_the_hook_once(
    place: int, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever `AsksAllOthers` is in `sys.meta_path`, the module is imported and its hook runs once."""
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    seen: list[ModuleType] = []
    import_hook.when_imported(f"{package}.part", seen.append)
    sys.meta_path.insert(place, AsksAllOthers())  # type: ignore[arg-type]
    module = importlib.import_module(f"{package}.part")
    import_hook.forget(f"{package}.part", seen.append)
    assert seen == [module]


def test_the_finder_of_a_dropped_copy_is_replaced(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """If our module is dropped from `sys.modules` and imported again, old hooks no longer run; new ones run once."""
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    old: list[ModuleType] = []
    new: list[ModuleType] = []
    import_hook.when_imported(f"{package}.part", old.append)
    monkeypatch.delitem(sys.modules, import_hook.__name__)
    monkeypatch.setattr(
        mem0_internals, "import_hook", import_hook
    )  # importing the copy also sets it on the package
    copy = importlib.import_module(import_hook.__name__)
    copy.when_imported(f"{package}.part", new.append)
    module = importlib.import_module(f"{package}.part")
    copy.forget(f"{package}.part", new.append)
    import_hook.forget(f"{package}.part", old.append)
    assert (old, new) == ([], [module])


def test_an_import_skips_no_finder_when_ours_leaves(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import that is iterating over the finders when ours leaves does not skip another finder."""
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    import_hook.when_imported("no.such.module", id)  # type: ignore[arg-type]

    class Leaving:
        @staticmethod
        def find_spec(name: str, *_: object) -> None:
            if name == package:
                import_hook.forget("no.such.module", id)  # type: ignore[arg-type]

    finds_files = sys.meta_path.index(importlib.machinery.PathFinder)  # type: ignore[arg-type]
    sys.meta_path.insert(finds_files, Leaving)  # type: ignore[arg-type]
    assert importlib.import_module(package)
    assert import_hook._finder not in sys.meta_path
