"""Sigma's `api-changes` on a package of which two versions are made here: changes that break callers, and changes that do not."""

import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import griffe
import msgspec

from clones.engines.api_changes import analyse
from clones.params import CompareParams
from tests.eval.knots import counted, write
from tests.eval.outcome import Part, Row, Told, flawless, total

OURS = "api-changes"
_PACKAGE = "parcel"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a module of its own holds before and after; empty where there is no such module."""

    name: str
    """What a person who is told of it would look for, below the module's name; empty for the module itself."""
    before: str
    after: str
    breaks: bool = True


def _body(head: str) -> str:
    return f"{head}\n    return 1\n"


CHANGES = {
    # what breaks a caller
    "function_gone": Change(name="send", before=_body("def send(to):"), after=""),
    "function_renamed": Change(name="send", before=_body("def send(to):"), after=_body("def post(to):")),
    "parameter_gone": Change(name="send", before=_body("def send(to, by):"), after=_body("def send(to):")),
    "parameter_renamed": Change(name="send", before=_body("def send(to):"), after=_body("def send(receiver):")),
    "parameters_swapped": Change(name="send", before=_body("def send(to, by):"), after=_body("def send(by, to):")),
    "parameter_demanded": Change(name="send", before=_body("def send(to):"), after=_body("def send(to, by):")),
    "default_gone": Change(name="send", before=_body("def send(to, by=None):"), after=_body("def send(to, by):")),
    "keyword_only": Change(name="send", before=_body("def send(to, by):"), after=_body("def send(to, *, by):")),
    "positional_only": Change(name="send", before=_body("def send(to, by):"), after=_body("def send(to, by, /):")),
    "rest_gone": Change(name="send", before=_body("def send(to, *rest):"), after=_body("def send(to):")),
    "options_gone": Change(name="send", before=_body("def send(to, **options):"), after=_body("def send(to):")),
    "constant_gone": Change(name="LIMIT", before="LIMIT = 10\nRATE = 2\n", after="RATE = 2\n"),
    "class_gone": Change(name="Box", before="class Box:\n    size = 1\n", after="RATE = 2\n"),
    "method_gone": Change(
        name="Box.open",
        before="class Box:\n    def open(self):\n        return 1\n\n    def shut(self):\n        return 0\n",
        after="class Box:\n    def shut(self):\n        return 0\n",
    ),
    "method_demands": Change(
        name="Box.open",
        before="class Box:\n    def open(self):\n        return 1\n",
        after="class Box:\n    def open(self, key):\n        return key\n",
    ),
    "field_gone": Change(
        name="Box.size", before="class Box:\n    size = 1\n    depth = 1\n", after="class Box:\n    depth = 1\n"
    ),
    "base_gone": Change(
        name="Box.weigh",
        before="class Thing:\n    def weigh(self):\n        return 1\n\n\nclass Box(Thing):\n    size = 1\n",
        after="class Thing:\n    def weigh(self):\n        return 1\n\n\nclass Box:\n    size = 1\n",
    ),
    "kind_changed": Change(name="send", before=_body("def send(to):"), after="send = 3\n"),
    "module_gone": Change(name="", before=_body("def send(to):"), after=""),
    "name_no_longer_passed_on": Change(
        name="quote",
        before="from shlex import quote as quote\n\nRATE = 2\n\n__all__ = ['RATE', 'quote']\n",
        after="RATE = 2\n\n__all__ = ['RATE']\n",
    ),
    # what does not
    "optional_added": Change(
        name="send", before=_body("def send(to):"), after=_body("def send(to, by=None):"), breaks=False
    ),
    "keyword_added": Change(
        name="send", before=_body("def send(to):"), after=_body("def send(to, *, by=None):"), breaks=False
    ),
    "rest_added": Change(
        name="send", before=_body("def send(to):"), after=_body("def send(to, *rest, **options):"), breaks=False
    ),
    "default_added": Change(
        name="send", before=_body("def send(to, by):"), after=_body("def send(to, by=None):"), breaks=False
    ),
    "keyword_allowed_by_place": Change(
        name="send", before=_body("def send(to, *, by):"), after=_body("def send(to, by):"), breaks=False
    ),
    "function_added": Change(
        name="send",
        before=_body("def send(to):"),
        after=_body("def send(to):") + "\n\n" + _body("def post(to):"),
        breaks=False,
    ),
    "private_gone": Change(
        name="_pack",
        before=_body("def _pack(to):") + "\n\n" + _body("def send(to):"),
        after=_body("def send(to):"),
        breaks=False,
    ),
    "private_changed": Change(
        name="_pack", before=_body("def _pack(to):"), after=_body("def _pack(to, by):"), breaks=False
    ),
    "docstring_changed": Change(
        name="send",
        before='def send(to):\n    """Send."""\n    return 1\n',
        after='def send(to):\n    """Send it."""\n    return 1\n',
        breaks=False,
    ),
    "annotated": Change(
        name="send", before=_body("def send(to):"), after=_body("def send(to: str) -> int:"), breaks=False
    ),
    "moved_to_a_base": Change(
        name="Box.open",
        before="class Box:\n    def open(self):\n        return 1\n",
        after="class Thing:\n    def open(self):\n        return 1\n\n\nclass Box(Thing):\n    size = 1\n",
        breaks=False,
    ),
    "moved_and_passed_on": Change(
        name="send",
        before=_body("def send(to):"),
        after="from parcel._inside import send as send\n\n__all__ = ['send']\n",
        breaks=False,
    ),
    "order_changed": Change(
        name="send",
        before=_body("def send(to):") + "\n\nRATE = 2\n",
        after="RATE = 2\n\n\n" + _body("def send(to):"),
        breaks=False,
    ),
}


def measure(tell: Told) -> Part:
    """Compare the two versions by Sigma's engine, and by griffe, which `griffe check` prints."""
    with tempfile.TemporaryDirectory(prefix="sanctuary-eval-") as scratch:
        before, after, out = (Path(scratch) / name for name in ("before", "after", "out"))
        inside = {"__init__": '"""Parcels."""\n', "_inside": _body("def send(to):")}
        write(before, _files(inside | {name: each.before for name, each in CHANGES.items()}))
        write(after, _files(inside | {name: each.after for name, each in CHANGES.items()}))
        tell("two versions of a package")
        said = {OURS: _sigma(before, after, out), "griffe check": _griffe(before, after)}
    breaking = {_full(name, each) for name, each in CHANGES.items() if each.breaks}
    harmless = {_full(name, each) for name, each in CHANGES.items() if not each.breaks}
    rows = total(
        [
            Row(material="breaks", engine=engine, score=counted(names, breaking, harmless), seconds=seconds)
            for engine, (names, seconds) in said.items()
        ],
        "breaks",
    )
    named = said[OURS][0]
    return Part(
        name="breaks",
        title="changes of a public surface that break callers, and changes that do not",
        rows=tuple(rows),
        verdicts=(flawless(rows, OURS, "breaks"),),
        wrong=(
            *(f"missed: {name}" for name in sorted(breaking - named)),
            *(f"false: {name}" for name in sorted(harmless & named)),
        ),
    )


def _files(modules: dict[str, str]) -> dict[str, str]:
    return {f"{_PACKAGE}/{name}.py": text for name, text in modules.items() if text}


def _full(module: str, change: Change) -> str:
    return ".".join(part for part in (_PACKAGE, module, change.name) if part)


def _sigma(before: Path, after: Path, out: Path) -> tuple[set[str], float]:
    out.mkdir()
    begin = time.monotonic()
    params = CompareParams(target=str(after), against=str(before), against_path=str(before))
    data = analyse(after, params, out, lambda *_: None).data
    return _seeded(
        name for each in data["breaking"] for name in (each["name"], *each["also"])
    ), time.monotonic() - begin


def _griffe(before: Path, after: Path) -> tuple[set[str], float]:
    begin = time.monotonic()
    old, new = (griffe.load(_PACKAGE, search_paths=[place], allow_inspection=False) for place in (before, after))
    return _seeded(each.obj.path for each in griffe.find_breaking_changes(old, new)), time.monotonic() - begin


def _seeded(names: Iterable[str]) -> set[str]:
    """Return names as `CHANGES` has them: a module that is gone stands for what was in it."""
    gone = {_full(name, each).rpartition(".")[0]: _full(name, each) for name, each in CHANGES.items() if not each.after}
    return {gone.get(name, name) for name in names}
