"""What a project leaves open by its own account: TODO and FIXME, and what is not implemented."""

import io
import re
import tokenize
from collections.abc import Iterator, Mapping, Sequence

import msgspec

_MARK = re.compile(r"\b(?P<mark>TODO|FIXME|XXX|HACK|BUG)\b(\([^)]*\))?\s*[:-]?\s*(?P<words>.*)")
_IN_DOCUMENTS = re.compile(r"^\s*(\.\. )?(?P<mark>todo::|TODO\b|FIXME\b|TBD\b)\s*[:-]?\s*(?P<words>.*)")
_NOT_IMPLEMENTED = re.compile(r"^\s*raise NotImplementedError\((?P<words>.*)\)\s*$")
_MAX_WORDS = 200


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One place that is open."""

    mark: str
    """`TODO`, `FIXME`, `XXX`, `HACK`, `BUG`, or `NotImplementedError` with words of its own."""
    words: str
    file: str
    line: int


def of_code(files: Mapping[str, Sequence[str]]) -> Iterator[Question]:
    """Yield the marks in comments of Python files, and what they refuse to do for want of work."""
    for file, lines in files.items():
        for line, comment in _comments(lines):
            if match := _MARK.search(comment):
                yield _question(match["mark"], match["words"], file, line)
        for number, text in enumerate(lines, 1):
            match = _NOT_IMPLEMENTED.match(text)
            if match and match["words"].strip("'\"f "):
                yield _question("NotImplementedError", match["words"].strip("'\"f "), file, number)


def of_documents(files: Mapping[str, Sequence[str]]) -> Iterator[Question]:
    """Yield the places in documents that say of themselves that they are to be written."""
    for file, lines in files.items():
        for number, text in enumerate(lines, 1):
            if match := _IN_DOCUMENTS.match(text):
                words = match["words"] or next((each.strip() for each in lines[number:] if each.strip()), "")
                yield _question(match["mark"].removesuffix("::").upper(), words, file, number)


def _question(mark: str, words: str, file: str, line: int) -> Question:
    plain = " ".join(words.split())
    return Question(mark=mark, words=plain[:_MAX_WORDS], file=file, line=line)


def _comments(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield the comments up to where the file cannot be read as Python."""
    try:
        for token in tokenize.generate_tokens(io.StringIO("\n".join(lines)).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string
    except (tokenize.TokenError, SyntaxError, ValueError):
        return
