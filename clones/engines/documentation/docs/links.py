"""Dead links inside the tree: files and anchors that documents point at and that are not there.

What lies outside of the tree, what a site generator makes, and what a template fills in is not looked at.
"""

import os
import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from clones.engines.documentation.docs.finding import Finding
from clones.engines.documentation.docs.text import Link, Read, simple_anchor

_SOURCES = (".md", ".markdown", ".rst", ".txt", ".ipynb", ".adoc")
_SITE = ("conf.py", "mkdocs.yml", "mkdocs.yaml", "docusaurus.config.js", "_config.yml", "book.toml", "antora.yml")
"""Files of site generators: what is a page there may be made from anything."""


def dead(target: Path, documents: Mapping[str, Read]) -> Iterator[Finding]:
    """Yield what is dead in `documents`, by file and line."""
    for file, document in documents.items():
        site = _site_of(target, file)
        for link in document.links:
            if link.kind in {"doc", "file"}:
                what = "document" if link.kind == "doc" else "file"
                gone = not _sphinx_has(target, file, link, site)
                problem = f"`{link.target}`: there is no such {what} in the tree" if gone else None
            else:
                problem = _dead(target, documents, file, link, site)
            if problem is not None:
                rule = "dead-anchor" if problem.startswith("`#") else f"dead-{link.kind}"
                yield Finding(file=file, line=link.line, rule=rule, message=problem)


def _dead(target: Path, documents: Mapping[str, Read], file: str, link: Link, site: str | None) -> str | None:
    whole = link.target.strip()
    address, _, anchor = whole.partition("#")
    path = unquote(address.partition("?")[0])
    if _elsewhere(whole) or (site is not None and not path.endswith(_SOURCES) and path):
        return None
    named = posixpath.normpath(posixpath.join(posixpath.dirname(file), path)) if path else file
    if named.startswith("..") or "\0" in named:
        return None
    if not os.path.lexists(target / named):
        return f"`{path}`: there is no `{named}` in the tree"
    read = documents.get(named)
    if not anchor or read is None or not named.lower().endswith((".md", ".markdown")):
        return None
    if simple_anchor(unquote(anchor)) in read.anchors or anchor == "top" or anchor.startswith("L"):
        return None
    return f"`#{anchor}`: `{named}` has no heading or anchor of that name"


def _elsewhere(target: str) -> bool:
    """Tell whether a link leads out of the tree, or is only written when the page is made."""
    head = target.partition("/")[0].partition("#")[0]
    return (
        not target
        or target.startswith(("/", "\\"))
        or ":" in head
        or any(mark in target for mark in ("{{", "{%", "<", "$", "*"))
        or ("." in head and "@" in head)
    )


def _sphinx_has(target: Path, file: str, link: Link, site: str | None) -> bool:
    """Tell whether Sphinx, or docutils where there is none, finds what a role or directive names."""
    name = link.target
    if "://" in name or ":" in name or any(mark in name for mark in ("*", "|", "{", "$", "<")):
        return True
    root = site if site is not None else ""
    base = root if name.startswith("/") else posixpath.dirname(file)
    if name.startswith("/") and site is None:
        return True
    path = posixpath.normpath(posixpath.join(base, name.lstrip("/")))
    if path.startswith(".."):
        return True
    suffixes = _SOURCES if link.kind == "doc" else ("",)
    return any(os.path.lexists(target / f"{path}{suffix}") for suffix in suffixes)


def _site_of(target: Path, file: str) -> str | None:
    """Return the directory of the site generator's settings above a document; None where there is none."""
    for directory in PurePosixPath(file).parents:
        if any((target / directory / name).is_file() for name in _SITE):
            return directory.as_posix() if directory.name else ""
    return None
