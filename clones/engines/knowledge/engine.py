"""The `knowledge` engine: an index to search, and an overview of what there is to find in it."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from clones.engines.architecture import discovery, tree
from clones.engines.contract import EngineOutput, NotAnalysed, OutputFile, Progress
from clones.engines.documentation import loading, sources
from clones.engines.knowledge import documents, glossary, index, page, pieces, questions
from clones.engines.knowledge.documents import Document
from clones.engines.knowledge.glossary import Term
from clones.engines.knowledge.index import Entry
from clones.engines.knowledge.questions import Question
from clones.engines.statements import Lines, Statement, quoted
from clones.params import KnowledgeParams

MAX_DOCUMENTS = 200
MAX_OPEN = 200
_MAX_NAMED = 3


def analyse(target: Path, params: KnowledgeParams, out: Path, progress: Progress) -> EngineOutput:
    """Index the code and documents of `target`; writes `knowledge.sqlite` and `knowledge.md`.

    `data`: `documents` {file, kind, title, about, lines, line}, `glossary` {term, kind, meaning, file, line, module, used_in},
    `open` {mark, words, file, line}, each with text, how_to_check and expected; `totals` of each, and `index` {file, entries,
    kinds, how_to_search}.
    """
    progress(0.0, "looking for documents and code")
    walked = tree.walk(target)
    lines = Lines(target)
    found = documents.find(walked.files, lines)
    progress(0.2, "reading the code")
    code = sources.find(target)
    loaded = loading.load(target, code.modules)
    directories = _directories(code)
    held = {file: lines.of(file) for file in _python(target, directories)}
    progress(0.5, "gathering the project's own words")
    texts = {document.file: lines.of(document.file) for document in found}
    terms = [*glossary.of_code(loaded, code.modules, held), *glossary.of_documents(texts)]
    kept = {file: each for file, each in held.items() if discovery.role_of_path(file) != "test"}
    prose = {document.file: texts[document.file] for document in found if document.kind not in {"changelog", "licence"}}
    left_open = [*questions.of_code(kept), *questions.of_documents(prose)]
    progress(0.7, "writing the index")
    kinds: Counter[str] = Counter()
    cut: list[NotAnalysed] = []
    imported = {module.file: module.name for module in code.modules}
    whole = pieces.bounded(pieces.of_project(walked.files, found, imported, lines), cut)
    entries = index.write(out / index.FILE, _counted(whole, kinds))
    data: dict[str, Any] = {
        "project": target.resolve().name,
        "documents": [_document(document, lines) for document in found[:MAX_DOCUMENTS]],
        "glossary": [_term(term, directories, lines) for term in terms],
        "open": [_question(question, lines) for question in left_open[:MAX_OPEN]],
        "totals": {
            "documents": len(found),
            "terms": len(terms),
            "open": len(left_open),
            "by_mark": dict(sorted(Counter(question.mark for question in left_open).items())),
        },
        "index": {
            "file": index.FILE,
            "entries": entries,
            "kinds": dict(sorted(kinds.items())),
            "how_to_search": index.SEARCH,
        },
    }
    summary = (
        f"{_count(len(found), 'document')}, {_count(len(terms), 'term')}, {_count(len(left_open), 'open place')}; "
        f"an index of {_count(entries, 'piece')} to search."
    )
    (out / "knowledge.md").write_text(page.write(data, summary), encoding="utf-8")
    progress(1.0, "done")
    return EngineOutput(
        summary=summary,
        data=data,
        files=(
            OutputFile(name="knowledge.md", media_type="text/markdown"),
            OutputFile(name=index.FILE, media_type="application/vnd.sqlite3"),
        ),
        not_analysed=(*walked.left_out, *code.not_analysed, *loaded.not_analysed, *_cut(found, left_open), *cut),
    )


def _directories(code: sources.Sources) -> list[str]:
    """Return the packages' directories, or single modules' files, relative to the target."""
    tops = sorted({module.name.split(".")[0] for module in code.modules})
    files = {module.file for module in code.modules}
    paths = [(PurePosixPath(code.roots[top]) / top).as_posix() for top in tops]
    return [f"{path}.py" if f"{path}.py" in files else path for path in paths]


def _python(target: Path, paths: Sequence[str]) -> Iterator[str]:
    """Yield what `grep -r --include='*.py'` reads below `paths`."""
    for path in paths:
        if (target / path).is_file():
            yield path
        for directory, names, files in os.walk(target / path):
            names.sort()
            for name in sorted(files):
                file = Path(directory, name)
                if name.endswith(".py") and not file.is_symlink():
                    yield file.relative_to(target).as_posix()


def _document(document: Document, lines: Lines) -> dict[str, Any]:
    places = [(document.file, line) for line in (document.title_line, document.about_line) if line is not None]
    command, expected = lines.shown(places) if places else ("", "")
    size = f"awk 'END {{print NR}}' {quoted(document.file)}"
    text = f"{document.file} ({_count(document.lines, 'line')})"
    if document.title_line is not None:
        text += f": its first heading is “{_unmarked(document.title)}”"
    if document.about:
        text += f"{'; it begins' if document.title_line is not None else ' begins'}: “{_unmarked(document.about)}”"
    return {
        "file": document.file,
        "kind": document.kind,
        "title": document.title,
        "about": document.about,
        "lines": document.lines,
        "line": document.title_line or document.about_line or 1,
        **Statement(
            text=text,
            how_to_check="; ".join(filter(None, (size, command))),
            expected=f"{document.lines}\n{expected}".rstrip(),
        ).plain(),
    }


def _term(term: Term, directories: Sequence[str], lines: Lines) -> dict[str, Any]:
    command, expected = lines.shown([(term.file, term.line)])
    text = f"`{term.term}` ({term.kind}, {term.file}:{term.line})"
    if term.meaning:
        text += f": {_unmarked(term.meaning)}"
    if term.used_in:
        where = " ".join(map(quoted, directories))
        command += f"; grep -rlw --include='*.py' {term.term} {where} | wc -l | tr -d ' '"
        expected += f"\n{term.used_in}"
        text += f" (named in {_count(term.used_in, 'Python file')} {_below(directories)})"
    plain: dict[str, Any] = msgspec.to_builtins(term)
    return {**plain, **Statement(text=text, how_to_check=command, expected=expected.rstrip()).plain()}


def _below(directories: Sequence[str]) -> str:
    """Return where names are counted, in words: the tests beside a package are no part of it."""
    shown = " and ".join(directories) if len(directories) <= _MAX_NAMED else f"the {len(directories)} packages"
    return f"of {shown}"


def _question(question: Question, lines: Lines) -> dict[str, Any]:
    command, expected = lines.shown([(question.file, question.line)])
    text = f"{question.mark} at {question.file}:{question.line}: {_unmarked(question.words) or 'without words'}"
    plain: dict[str, Any] = msgspec.to_builtins(question)
    return {**plain, **Statement(text=text, how_to_check=command, expected=expected.rstrip()).plain()}


def _counted(entries: Iterator[Entry], kinds: Counter[str]) -> Iterator[Entry]:
    for entry in entries:
        kinds[entry.kind] += 1
        yield entry


def _cut(found: Sequence[Document], left_open: Sequence[Question]) -> list[NotAnalysed]:
    notes = []
    if len(found) > MAX_DOCUMENTS:
        reason = f"{MAX_DOCUMENTS} of {len(found)} are listed; the index has all"
        notes.append(NotAnalysed(subject="documents", reason=reason))
    if len(left_open) > MAX_OPEN:
        notes.append(NotAnalysed(subject="open places", reason=f"{MAX_OPEN} of {len(left_open)} are listed"))
    return notes


def _unmarked(text: str) -> str:
    """Return words whose backticks would be taken for code in a statement."""
    return text.replace("`", "").rstrip(".")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
