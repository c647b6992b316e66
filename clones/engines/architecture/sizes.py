"""Size and complexity of the source files, in every language that lizard reads."""

import contextlib
import re
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

import lizard
import msgspec

from clones.engines.contract import NotAnalysed, Progress

COMPLEX = 10
"""McCabe's limit (1976): a function of a higher cyclomatic complexity is worth a look."""
MAX_FILE_CPU_S = 5.0
"""What a file may take; text that is made for it keeps lizard's regular expressions busy for hours."""
MAX_NESTED = 12
"""Functions of Python within each other: lizard doubles its time and its memory with each."""
_MAX_ENDLESS = 3
_MAX_LINE_CHARS = 5000
"""A file with a longer line is minified or generated."""
_VENDORED = frozenset({"_vendor", "vendor", "_vendored", "vendored", "third_party", "thirdparty", "extern", "_extern"})
_GENERATED = re.compile(rb"@generated|\bdo not edit\b|\b(auto-?)?generated (by|from|automatically)\b", re.IGNORECASE)
_DEF = re.compile(rb"^([ \t]*)(?:async[ \t]+)?def\b", re.MULTILINE)
_HEAD_BYTES = 600
_NAMES = {
    "cpp": "C and C++",
    "csharp": "C#",
    "javascript": "JavaScript",
    "objectivec": "Objective-C",
    "php": "PHP",
    "typescript": "TypeScript",
    "tsx": "TypeScript",
    "plsql": "SQL",
    "ttcn": "TTCN-3",
    "st": "Structured Text",
}


class FunctionSize(msgspec.Struct, frozen=True, kw_only=True):
    """One function as lizard measures it."""

    function: str
    file: str
    line: int
    end_line: int
    complexity: int
    """Cyclomatic."""
    nloc: int
    """Lines of code without comments and blank lines."""


class FileSize(msgspec.Struct, frozen=True, kw_only=True):
    """One file as lizard measures it."""

    file: str
    language: str
    nloc: int
    functions: tuple[FunctionSize, ...]
    generated: bool
    """Whether it says so at its top."""


class LanguageSize(msgspec.Struct, frozen=True, kw_only=True):
    """The files of one language together."""

    language: str
    files: int
    nloc: int
    functions: int
    complex_functions: int
    """Functions of a complexity above `COMPLEX`."""
    max_complexity: int
    mean_complexity: float | None
    """Of its functions; None without any."""


def measure(
    target: Path, files: Sequence[str], progress: Progress, *, is_over: Callable[[], bool] = lambda: False
) -> tuple[list[FileSize], list[NotAnalysed]]:
    """Measure each of `files` whose language lizard knows, until `is_over`; vendored and minified ones are left out and told."""
    known = [(file, reader) for file in files if (reader := lizard.get_reader_for(file)) is not None]
    sizes: list[FileSize] = []
    left_out: list[NotAnalysed] = []
    vendored = [file for file, _ in known if _VENDORED.intersection(PurePosixPath(file).parts[:-1])]
    excluded = set(vendored)
    minified: list[str] = []
    endless: list[str] = []
    left_out += by_directory(map(_vendored_root, vendored), "not measured: vendored code")
    for index, (file, reader) in enumerate(known):
        if index % 200 == 0:
            progress(index / len(known), f"measuring {file}")
        if is_over():
            reason = f"the time was over: {len(known) - index} of {len(known)} files are not measured"
            left_out.append(NotAnalysed(subject="size and complexity", reason=reason))
            break
        if len(endless) == _MAX_ENDLESS:
            reason = f"{len(known) - index} of {len(known)} files are not measured, after those that took too long"
            left_out.append(NotAnalysed(subject="size and complexity", reason=reason))
            break
        if file in excluded:
            continue
        content = _read(target / file)
        if content is None or _is_minified(file, content):
            minified.append(file)
            continue
        if file.endswith(".py") and _nested(content) > MAX_NESTED:
            left_out.append(
                NotAnalysed(subject=file, reason=f"not measured: more than {MAX_NESTED} functions in another")
            )
            continue
        language = _NAMES.get(reader.language_names[0], reader.language_names[0].capitalize())
        try:
            with _within(MAX_FILE_CPU_S):
                found = lizard.analyze_file(str(target / file))
        except _TookTooLongError:
            endless.append(file)
            continue
        except Exception as error:  # noqa: BLE001 (a tokenizer at the mercy of foreign code; one file must not end all)
            left_out.append(NotAnalysed(subject=file, reason=f"lizard cannot measure it: {type(error).__name__}"))
            continue
        functions = tuple(
            FunctionSize(
                function=function.name,
                file=file,
                line=function.start_line,
                end_line=function.end_line,
                complexity=function.cyclomatic_complexity,
                nloc=function.nloc,
            )
            for function in found.function_list
        )
        sizes.append(
            FileSize(
                file=file,
                language=language,
                nloc=found.nloc,
                functions=functions,
                generated=bool(_GENERATED.search(content[:_HEAD_BYTES])),
            )
        )
    left_out += [
        NotAnalysed(subject=file, reason=f"not measured: lizard did not come to its end in {MAX_FILE_CPU_S:g} s")
        for file in endless
    ]
    return sizes, left_out + by_directory(minified, "not measured: minified")


def _nested(content: bytes) -> int:
    """Return how many functions stand within each other at most, by their indentation."""
    most = 0
    open_: list[int] = []
    for match in _DEF.finditer(content):
        indent = len(match[1])
        while open_ and open_[-1] >= indent:
            open_.pop()
        open_.append(indent)
        most = max(most, len(open_))
    return most


class _TookTooLongError(Exception):
    pass


@contextlib.contextmanager
def _within(cpu_s: float) -> Iterator[None]:
    """Raise `_TookTooLongError` in the block once it has used this much processor time; for the main thread alone."""

    def end(_number: int, _frame: object) -> None:
        raise _TookTooLongError

    before = signal.signal(signal.SIGPROF, end)
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def by_language(sizes: Sequence[FileSize]) -> list[LanguageSize]:
    """Add the sizes up, the largest language first."""
    groups: dict[str, list[FileSize]] = {}
    for size in sizes:
        groups.setdefault(size.language, []).append(size)
    rows = [_language(language, files) for language, files in groups.items()]
    return sorted(rows, key=lambda row: (-row.nloc, row.language))


def _language(language: str, files: Sequence[FileSize]) -> LanguageSize:
    complexities = [function.complexity for file in files for function in file.functions]
    return LanguageSize(
        language=language,
        files=len(files),
        nloc=sum(file.nloc for file in files),
        functions=len(complexities),
        complex_functions=sum(complexity > COMPLEX for complexity in complexities),
        max_complexity=max(complexities, default=0),
        mean_complexity=round(sum(complexities) / len(complexities), 2) if complexities else None,
    )


def by_directory(files: Iterable[str], reason: str) -> list[NotAnalysed]:
    """Return one note for each directory, and for a file that is alone in its directory."""
    groups: dict[str, list[str]] = {}
    for file in files:
        groups.setdefault(str(PurePosixPath(file).parent), []).append(file)
    return [
        NotAnalysed(subject=found[0], reason=reason)
        if len(found) == 1
        else NotAnalysed(subject=directory, reason=f"{reason} ({len(found)} files)")
        for directory, found in sorted(groups.items())
    ]


def _vendored_root(file: str) -> str:
    """Return a path just below the vendored directory, so that all of its files are told as one."""
    parts = PurePosixPath(file).parts
    end = next(index for index, part in enumerate(parts) if part in _VENDORED)
    return "/".join((*parts[: end + 1], parts[-1]))


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _is_minified(file: str, content: bytes) -> bool:
    if file.endswith(".py"):
        return False
    return ".min." in PurePosixPath(file).name or any(len(line) > _MAX_LINE_CHARS for line in content.splitlines())
