"""The project's own words: the public names that its code uses most, and the terms that its documents define."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import griffe
import msgspec

from clones.engines.code_map.purposes import first_sentence
from clones.engines.documentation import loading
from clones.engines.documentation.loading import Loaded
from clones.engines.documentation.sources import Module

MAX_TERMS = 80
_LEAST_FILES = 2
_WORD = re.compile(r"\w+")
_GLOSSARY = re.compile(r"^(\s*)\.\. glossary::")


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """One word."""

    term: str
    kind: str
    """`class`, `exception`, `function`, `constant` or `term`."""
    meaning: str
    """The first sentence that defines it, in its author's words; empty where nobody says."""
    file: str
    line: int
    """Where it is defined."""
    module: str | None
    used_in: int
    """Files of the package that name it, its own among them; 0 for terms of documents."""


def of_code(loaded: Loaded, modules: Sequence[Module], lines: Mapping[str, Sequence[str]]) -> list[Term]:
    """Return the public classes, functions and constants that are named in most files, classes first in a tie."""
    named: Counter[str] = Counter()
    for each in lines.values():
        named.update({word for line in each for word in _WORD.findall(line)})
    found: dict[str, Term] = {}
    # a name that is also imported from elsewhere, or defined by two modules, means two things, and its count both
    mixed = _foreign(loaded, modules)
    offered = {name for top in loaded.tops.values() for name, _ in loading.exports(top, _files(modules))}
    for module in modules:
        parsed = loaded.find(module.name) if module.file in lines else None
        if parsed is None:
            continue
        for name, member in parsed.members.items():
            if member.is_alias or not _is_term(name, member) or member.lineno is None:
                continue
            if name in found:
                mixed.add(name)
            # one small word is what anything may be called, unless the package offers it by that name
            if name.islower() and "_" not in name and name not in offered:
                continue
            found[name] = Term(
                term=name,
                kind=_kind(member),
                meaning=first_sentence(member.docstring.value) if member.docstring else "",
                file=module.file,
                line=_line(lines[module.file], name, member.lineno),
                module=module.name,
                used_in=named[name],
            )
    terms = [term for name, term in found.items() if name not in mixed and term.used_in >= _LEAST_FILES]
    rank = ("class", "exception", "function", "constant")
    return sorted(terms, key=lambda term: (-term.used_in, rank.index(term.kind), term.term))[:MAX_TERMS]


def of_documents(files: Mapping[str, Sequence[str]]) -> list[Term]:
    """Return the terms of the `.. glossary::` directives of reStructuredText."""
    return [term for file, lines in files.items() if file.endswith(".rst") for term in _of_directives(file, lines)]


def _files(modules: Sequence[Module]) -> dict[str, str]:
    return {module.name: module.file for module in modules}


def _foreign(loaded: Loaded, modules: Sequence[Module]) -> set[str]:
    """Return the names under which something from outside of the target is imported anywhere in it."""
    found: set[str] = set()
    for module in modules:
        parsed = loaded.find(module.name)
        for name, member in parsed.members.items() if parsed is not None else ():
            if isinstance(member, griffe.Alias) and member.target_path.partition(".")[0] not in loaded.tops:
                found.add(name)
    return found


def _is_term(name: str, member: griffe.Object | griffe.Alias) -> bool:
    if not member.is_public or member.is_module or len(name) < 3 or name.startswith("__"):
        return False
    if member.is_attribute:
        return name.isupper() and len(name) > 3
    return True


def _kind(member: griffe.Object | griffe.Alias) -> str:
    if isinstance(member, griffe.Class):
        bases = [str(base).rpartition(".")[2] for base in member.bases]
        is_error = member.name.endswith(("Error", "Exception", "Warning")) or any(
            base.endswith(("Error", "Exception", "Warning")) for base in bases
        )
        return "exception" if is_error else "class"
    return "function" if member.is_function else "constant"


def _line(lines: Sequence[str], name: str, first: int) -> int:
    """Return the line with the name itself: decorators stand above it."""
    whole = re.compile(rf"\b{re.escape(name)}\b")
    defines = re.compile(rf"\s*(async def|def|class)\s+{re.escape(name)}\b|\s*{re.escape(name)}\s*[:=]")
    near = range(first, min(first + 40, len(lines)) + 1)
    found = next((number for number in near if defines.match(lines[number - 1])), None)
    return found or next((number for number in near if whole.search(lines[number - 1])), first)


def _of_directives(file: str, lines: Sequence[str]) -> Iterator[Term]:
    inside: int | None = None
    depth = 0
    for number, line in enumerate(lines, 1):
        if match := _GLOSSARY.match(line):
            inside, depth = len(match[1]), 0
            continue
        if inside is None or not line.strip():
            continue
        indent = len(line) - len(line.lstrip())
        if indent <= inside:
            inside = None
        elif line.strip().startswith(":") and not depth:
            continue
        else:
            depth = depth or indent
            if indent == depth:
                below = [each.strip() for each in lines[number : number + 4] if each.strip()]
                meaning = first_sentence(" ".join(below))
                yield Term(
                    term=line.strip(), kind="term", meaning=meaning, file=file, line=number, module=None, used_in=0
                )
