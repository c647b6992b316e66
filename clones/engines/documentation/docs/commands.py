"""Commands in documents that name what is not in the tree: targets of make, scripts, modules, the project's own programs."""

import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from clones.engines import target_files
from clones.engines.documentation.docs.finding import Finding
from clones.engines.documentation.docs.text import Block, Read
from clones.engines.documentation.sources import Sources

_SHELLS = frozenset({"sh", "bash", "shell", "console", "shell-session", "text"})
_PROMPT = re.compile(r"^\s*\$ ")
_MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
_INTERPRETERS = frozenset({"python", "python3", "bash", "sh", "node"})
_SCRIPT = re.compile(r"(\./)?[\w.-]+(/[\w.-]+)+\.(py|sh|js|bash)|\./[\w.-]+\.(py|sh|js|bash)")
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_VARIABLE = re.compile(r"[A-Za-z_]\w*=.*")


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What commands may name."""

    make: frozenset[str] | None
    """Targets of the makefile at the top; None where there is none or it cannot be read whole."""
    modules: frozenset[str]
    programs: frozenset[str]
    """The console scripts that the project declares."""
    project: str
    """Its name as a program would have it."""


def known(target: Path, code: Sources) -> Known:
    """Read what the tree offers to commands."""
    project = _project(target)
    scripts = project.get("scripts")
    name = project.get("name")
    return Known(
        make=_make(target),
        modules=frozenset(module.name for module in code.modules),
        programs=frozenset(scripts) if isinstance(scripts, dict) else frozenset(),
        project=name.lower() if isinstance(name, str) else "",
    )


def missing(target: Path, documents: Mapping[str, Read], offered: Known) -> Iterator[Finding]:
    """Yield the commands in `documents` that name what is not there."""
    for file, document in documents.items():
        for block in document.blocks:
            if block.language in _SHELLS:
                for line, words in _commands(block):
                    problem = _problem(target, file, words, offered)
                    if problem is not None:
                        yield Finding(file=file, line=line, rule=problem[0], message=problem[1])


def _commands(block: Block) -> Iterator[tuple[int, list[str]]]:
    """Yield the simple commands of a block up to the first that goes elsewhere, or makes files that others may name."""
    prompted = any(_PROMPT.match(line) for line in block.code.splitlines())
    if not prompted and block.language not in {"sh", "bash", "shell"}:
        return
    for number, line in enumerate(block.code.splitlines(), block.line):
        if prompted and not _PROMPT.match(line):
            continue
        try:
            words = shlex.split(_PROMPT.sub("", line), comments=True)
        except ValueError:
            return
        while words and _VARIABLE.fullmatch(words[0]):
            words = words[1:]
        if not words:
            continue
        if words[0] in {"cd", "pushd", "git", "cat", "touch", "mkdir", "curl", "wget", "tar", "unzip"}:
            return
        yield number, words


def _problem(target: Path, file: str, words: Sequence[str], offered: Known) -> tuple[str, str] | None:
    program, *rest = words
    if program == "make" and offered.make is not None:
        return _make_problem(rest, offered.make)
    if program in _INTERPRETERS and rest[:1] == ["-m"] and len(rest) > 1:
        return _module_problem(target, rest[1], offered)
    named = rest[0] if program in _INTERPRETERS and rest else program
    if _SCRIPT.fullmatch(named):
        return _script_problem(target, file, named)
    if offered.programs and program.lower() == offered.project and program not in offered.programs:
        others = ", ".join(f"`{name}`" for name in sorted(offered.programs)[:5])
        return "command", f"`{program}`: the project declares no such program; it declares {others}"
    return None


def _make_problem(words: Sequence[str], targets: frozenset[str]) -> tuple[str, str] | None:
    if any(word.startswith("-") for word in words):
        return None
    for word in words:
        if word in {"&&", ";", "|", "||", ">"}:
            return None
        if re.fullmatch(r"[\w.-]+", word) and word not in targets:
            return "make-target", f"`make {word}`: the makefile has no such target"
    return None


def _module_problem(target: Path, name: str, offered: Known) -> tuple[str, str] | None:
    top = name.partition(".")[0]
    tops = {module.partition(".")[0] for module in offered.modules}
    if top not in tops or not _MODULE.fullmatch(name):
        return None
    if name not in offered.modules:
        # tests and examples are no modules of the API
        path = name.replace(".", "/")
        there = any((target / root / f"{path}{end}").exists() for root in ("", "src") for end in ("", ".py"))
        return None if there else ("module", f"`python -m {name}`: there is no such module in the tree")
    is_package = any(module.startswith(f"{name}.") for module in offered.modules)
    if is_package and f"{name}.__main__" not in offered.modules:
        return "module", f"`python -m {name}`: the package has no `__main__`"
    return None


def _script_problem(target: Path, file: str, named: str) -> tuple[str, str] | None:
    path = posixpath.normpath(named)
    if path.startswith(("..", "/")):
        return None
    head = path.partition("/")[0]
    if any((target / base / path).exists() for base in ("", posixpath.dirname(file))):
        return None
    # a directory that is not there is one of the reader's own
    return ("script", f"`{named}`: there is no such file in the tree") if (target / head).is_dir() else None


def _make(target: Path) -> frozenset[str] | None:
    file = next((name for name in _MAKEFILES if (target / name).is_file()), None)
    if file is None or not (read := target_files.text(target, file)):
        return None
    text = read.replace("\\\n", " ")
    names: set[str] = set()
    for line in text.splitlines():
        head, colon, rest = line.partition(":")
        if colon and not line.startswith(("\t", "#")) and "=" not in head and not rest.startswith(("=", ":=")):
            names.update(head.split())
    if re.search(r"^\s*-?s?include\s|\$\(eval", text, re.MULTILINE) or any(
        "%" in name or "$" in name for name in names
    ):
        return None
    return frozenset(names)


def _project(target: Path) -> dict[str, Any]:
    project = target_files.toml(target, "pyproject.toml").get("project")
    return project if isinstance(project, dict) else {}
