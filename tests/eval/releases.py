"""Beta's security engine on releases with a published flaw in their own code, and on the releases that mended it."""

import ast

import msgspec

from tests.eval.fetching import NotFetchedError, source
from tests.eval.labels import CWES, Found, Score
from tests.eval.outcome import Part, Row, Told, absent, no_lower, total
from tests.eval.security import OWN, WHOLE, scanned


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """A flaw that an advisory tells of."""

    advisory: str
    project: str
    flawed: str
    mended: str
    """The first release without it, which is the twin."""
    path: str
    function: str
    """What holds it, `Class.method` for a method."""
    category: str


FLAWS = (
    Published(
        advisory="CVE-2017-2809",
        project="ansible-vault",
        flawed="1.0.4",
        mended="1.0.5",
        path="ansible_vault/api.py",
        function="Vault.load",
        category="deserialization",
    ),
    Published(
        advisory="CVE-2022-24840",
        project="django-s3file",
        flawed="5.5.0",
        mended="5.5.1",
        path="s3file/middleware.py",
        function="S3FileMiddleware.get_files_from_storage",
        category="path-traversal",
    ),
    Published(
        advisory="CVE-2017-18638",
        project="graphite-web",
        flawed="1.1.5",
        mended="1.1.6",
        path="webapp/graphite/composer/views.py",
        function="send_email",
        category="ssrf",
    ),
    Published(
        advisory="CVE-2022-21797",
        project="joblib",
        flawed="1.1.0",
        mended="1.2.0",
        path="joblib/parallel.py",
        function="Parallel.__call__",
        category="code-injection",
    ),
    Published(
        advisory="CVE-2013-7323",
        project="python-gnupg",
        flawed="0.3.4",
        mended="0.3.6",
        path="gnupg.py",
        function="GPG._open_subprocess",
        category="command-injection",
    ),
    Published(
        advisory="CVE-2017-2810",
        project="tablib",
        flawed="0.11.4",
        mended="0.11.5",
        path="tablib/formats/_yaml.py",
        function="import_book",
        category="deserialization",
    ),
    Published(
        advisory="CVE-2022-31471",
        project="untangle",
        flawed="1.2.0",
        mended="1.2.1",
        path="untangle.py",
        function="parse",
        category="xxe",
    ),
)
"""Small projects, each advisory naming the place; chosen before anything was run on them."""


def measure(tell: Told) -> Part:
    """Scan both releases of each project with the whole engine and with each scanner by itself."""
    rows: list[Row] = []
    wrong: list[str] = []
    title = (
        "published flaws in old releases, at the function that the advisory means, and the releases that mended them"
    )
    try:
        places = {
            (each.project, release): source(each.project, release)
            for each in FLAWS
            for release in (each.flawed, each.mended)
        }
    except NotFetchedError as error:
        return Part(name="releases", title=title, verdicts=(absent(str(error), demanded=True),))
    for each in FLAWS:
        for release in (each.flawed, each.mended):
            tell(f"{each.project} {release}")
            place = places[each.project, release]
            span = lines_of((place / each.path).read_text(encoding="utf-8"), each.function)
            for engine, (found, seconds) in scanned(place).items():
                counts = counted(each, span, found, is_flaw=release == each.flawed)
                rows.append(Row(material=f"{len(FLAWS)} projects", engine=engine, score=counts, seconds=seconds))
                if engine == WHOLE and counts.missed + counts.false:
                    what = "missed" if counts.missed else "false"
                    wrong.append(f"{each.project} {release} {each.path} {each.function}: {what}: {each.advisory}")
    together = total(rows, rows[0].material)
    return Part(
        name="releases",
        title=title,
        rows=tuple(together),
        verdicts=(no_lower(together, WHOLE, OWN, "recall"), no_lower(together, WHOLE, OWN, "precision")),
        wrong=tuple(wrong),
    )


def lines_of(text: str, function: str) -> range:
    """Return the lines of a function, decorators included; none where there is no such function."""
    body = ast.parse(text).body
    *classes, name = function.split(".")
    for each in classes:
        body = next((node.body for node in body if isinstance(node, ast.ClassDef) and node.name == each), [])
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            return range(min((node.lineno, *(each.lineno for each in node.decorator_list))), (node.end_lineno or 0) + 1)
    return range(0)


def counted(flaw: Published, span: range, found: list[Found], *, is_flaw: bool) -> Score:
    """Count whether something of the flaw's kind is found in the function; what is not there is not counted."""
    if not span:
        return Score()
    seen = any(
        each.path == flaw.path
        and each.cwe in CWES[flaw.category]
        and each.line < span.stop
        and max(each.line, each.end_line) >= span.start
        for each in found
    )
    return Score(hit=int(seen), missed=int(not seen)) if is_flaw else Score(false=int(seen), spared=int(not seen))
