"""Where in a changelog a commit belongs, from its words and from the files it changes. Pure."""

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Literal

import msgspec

Section = Literal["Security", "Removed", "Deprecated", "Added", "Changed", "Fixed", "Internal"]

SECTIONS: tuple[Section, ...] = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
"""Of Keep a Changelog 1.1.0, in its order; `Internal` is what its users do not notice."""

_BY_TYPE: dict[str, Section] = {
    **dict.fromkeys(("feat", "feature", "add"), "Added"),
    **dict.fromkeys(("fix", "bugfix", "hotfix"), "Fixed"),
    **dict.fromkeys(("perf", "change", "improvement", "enhancement", "revert"), "Changed"),
    **dict.fromkeys(("deprecate", "deprecation"), "Deprecated"),
    **dict.fromkeys(("remove", "removal"), "Removed"),
    **dict.fromkeys(("security", "sec"), "Security"),
    **dict.fromkeys(("docs", "doc", "test", "tests", "chore", "build", "ci", "style", "refactor", "deps"), "Internal"),
}
"""The types of Conventional Commits 1.0.0 and of its usual presets."""
_BY_VERB: dict[str, Section] = {
    **dict.fromkeys(
        ("add", "introduce", "implement", "support", "new", "allow", "enable", "provide", "create"), "Added"
    ),
    **dict.fromkeys(("fix", "correct", "resolve", "repair", "prevent", "avoid", "handle", "mend"), "Fixed"),
    **dict.fromkeys(("remove", "drop", "delete"), "Removed"),
    "deprecate": "Deprecated",
}
_CONVENTIONAL = re.compile(r"(?P<type>[A-Za-z]+)(\((?P<scope>[^()]*)\))?(?P<bang>!)?:\s+(?P<words>\S.*)")
_SECURITY = re.compile(
    r"\bCVE-\d{4}-\d+|\bGHSA(-\w{4}){3}|\bvulnerabilit|\bsecurity (fix|issue|hole|release)", re.IGNORECASE
)
_RELEASE = re.compile(
    r"(bump|release|prepare|start|set|update)?\s*(the\s+)?(version|release)\b.*\d|(bump|release|version)?\s*v?\d+(\.\d+)+\S*$"
    r"|(bump|update|upgrade)\s+\S+\s+(from\s+\S+\s+)?to\s+\S+|fixup!|squash!|\[pre-commit",
    re.IGNORECASE,
)
_BREAKING_FOOTER = re.compile(r"^BREAKING[ -]CHANGE:\s*(?P<words>(.+\n?)+)", re.MULTILINE)
_BREAKING_WORDS = re.compile(r"\bbreaking change|\bbackwards?[- ]incompatible", re.IGNORECASE)
_SHARE_CONVENTIONAL = 0.5
_INTERNAL_DIRECTORIES = frozenset(
    {"docs", "doc", "test", "tests", "t", "testing", ".github", ".circleci", "ci", "benchmarks", "examples", ".gitlab"}
)
_INTERNAL_SUFFIXES = (".md", ".rst", ".txt", ".lock", ".yml", ".yaml")
_INTERNAL_NAMES = frozenset(
    {"tox.ini", "noxfile.py", "Makefile", "conftest.py", "setup.cfg", "LICENSE", "CODEOWNERS", ".mailmap"}
)


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """Where a commit belongs."""

    section: Section
    why: str
    """The sign of it, in words."""
    words: str
    """Its subject without marks and numbers, for a reader."""
    scope: str = ""
    breaking: str = ""
    """What breaks, in its author's words; empty where nothing is said to break."""
    sure: bool = True
    """Whether there was any sign."""


def is_conventional(subjects: Iterable[str]) -> bool:
    """Tell whether a project writes conventional commits: at least half of the subjects are."""
    marks = [_match(subject) is not None for subject in subjects]
    return bool(marks) and sum(marks) >= _SHARE_CONVENTIONAL * len(marks)


def kind_of(subject: str, body: str, files: Sequence[str], *, conventional: bool) -> Kind:
    """Decide where a commit belongs; in a project of conventional commits its type says so, else verb and files."""
    match = _match(subject) if conventional else None
    words = _plain(match["words"] if match else subject)
    breaking = _breaking(subject, body, bang=match is not None and match["bang"] is not None, words=words)
    scope = (match["scope"] or "") if match else ""

    def kind(section: Section, why: str, *, sure: bool = True) -> Kind:
        return Kind(section=section, why=why, words=words, scope=scope, breaking=breaking, sure=sure)

    if found := _SECURITY.search(f"{subject}\n{body}"):
        return kind("Security", f"says “{found[0]}”")
    if match is not None:
        section = _BY_TYPE[match["type"].lower()]
        # what breaks is noticed, whatever its type
        return kind("Changed" if breaking and section == "Internal" else section, f"its type is `{match['type']}`")
    if _RELEASE.match(subject):
        return kind("Internal", "is about versions alone")
    if files and all(map(is_internal, files)):
        return kind("Internal", "changes only tests, documents or build files")
    if verb := _verb(subject):
        return kind(_BY_VERB[verb], f"its verb is “{verb}”")
    return kind("Changed", "nothing says that it is anything else", sure=False)


def _match(subject: str) -> re.Match[str] | None:
    match = _CONVENTIONAL.fullmatch(subject)
    return match if match is not None and match["type"].lower() in _BY_TYPE else None


def _verb(subject: str) -> str | None:
    """Return the verb that a subject begins with, behind a mark such as `till:` or `[till]`, in its plain form."""
    plain = re.sub(r"^(\[[^\]]*\]|[\w./-]+:)\s*", "", subject)
    first = re.match(r"[A-Za-z]+", plain)
    if first is None:
        return None
    word = first[0].lower()
    forms = (word, word.removesuffix("s"), word.removesuffix("es"), word.removesuffix("ed"), word.removesuffix("d"))
    doubled = (re.sub(r"(.)\1(ed|ing)$", r"\1", word), word.removesuffix("ing"), f"{word.removesuffix('ing')}e")
    return next((form for form in (*forms, *doubled) if form in _BY_VERB), None)


def _breaking(subject: str, body: str, *, bang: bool, words: str) -> str:
    if footer := _BREAKING_FOOTER.search(body):
        return " ".join(footer["words"].split())
    if bang:
        return words
    return words if _BREAKING_WORDS.search(subject) else ""


def _plain(subject: str) -> str:
    without = re.sub(r"\s*\((#\d+|GH-\d+)(,\s*(#\d+|GH-\d+))*\)\s*$", "", subject).strip().rstrip(".")
    return without[:1].upper() + without[1:] if without else subject


def is_internal(file: str) -> bool:
    """Tell whether a file is no part of what users get: tests, documents, what builds and checks."""
    path = PurePosixPath(file)
    if not _INTERNAL_DIRECTORIES.isdisjoint(path.parts[:-1]):
        return True
    name = path.name
    is_test = name.startswith("test_") or name.endswith("_test.py")
    return name in _INTERNAL_NAMES or name.startswith(".") or name.endswith(_INTERNAL_SUFFIXES) or is_test
