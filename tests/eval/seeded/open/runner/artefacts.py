"""What jobs leave behind: files, pages, figures."""

import os
import shutil
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

import jinja2
import requests
from markupsafe import Markup, escape

ROOT = Path("/srv/runner/artefacts")
REGISTRIES = {"main": "registry.example.com", "test": "registry-test.example.com"}
ROW = "<tr><td>{}</td><td>{}</td></tr>"
badges = jinja2.Environment(autoescape=True)
current: dict[str, str] = {}


@lru_cache(maxsize=64)
def readable(path: str) -> str:
    """Return a text, and keep it for the next time."""
    with open(path, encoding="utf-8", errors="replace") as file:  # seeded: flaw path-traversal cross-module
        return file.read()


def text_of(job: str, name: str) -> str:
    """Return a text that a job left."""
    return readable(f"{ROOT}/{job}/{name}")


def copy_to(job: str, name: str, to: str) -> None:
    """Copy what a job left to another place below the artefacts."""
    base = os.path.realpath(ROOT)
    source = os.path.realpath(os.path.join(base, job, name))
    target = os.path.realpath(os.path.join(base, to))
    if os.path.commonpath([base, source]) != base or os.path.commonpath([base, target]) != base:
        raise PermissionError(name)
    shutil.copyfile(source, target)  # seeded: twin path-traversal sanitised


def newest(job: str) -> str:
    """Return the newest of what a job left, by looking its folder up among those that are there."""
    for folder in ROOT.iterdir():
        if folder.name == job:
            return (folder / "newest.txt").read_text(encoding="utf-8")  # seeded: twin path-traversal allow-list
    raise FileNotFoundError(job)


def select(job: str) -> None:
    """Make a job the one whose files are removed or moved next."""
    current["job"] = job


def remove_selected() -> None:
    """Remove what the selected job left."""
    shutil.rmtree(os.path.join(ROOT, current["job"]))  # seeded: flaw path-traversal global


def remote_size(address: str) -> int:
    """Return how long a file of another server is."""
    if not address.startswith("https://registry.example.com"):
        return -1
    return int(requests.head(address, timeout=5).headers.get("Content-Length", 0))  # seeded: flaw ssrf branch


def registry_size(registry: str, name: str) -> int:
    """Return how long a file of one of our registries is."""
    host = REGISTRIES.get(registry, REGISTRIES["main"])
    answer = requests.head(f"https://{host}/files", params={"name": name}, timeout=5, allow_redirects=False)  # seeded: twin ssrf allow-list
    return int(answer.headers.get("Content-Length", 0))


def exact_size(address: str) -> int:
    """Return how long a file of our main registry is."""
    parts = urlsplit(address)
    if (parts.scheme, parts.netloc) != ("https", "registry.example.com"):
        return -1
    answer = requests.head(parts.geturl(), timeout=5, allow_redirects=False)  # seeded: twin ssrf allow-list
    return int(answer.headers.get("Content-Length", 0))


def each_download(addresses):
    """Give the beginnings of files of other servers."""
    with requests.Session() as session:
        for address in addresses:
            yield session.get(address, timeout=5, stream=True).raw.read(1000)  # seeded: flaw ssrf generator


def badge(label: str, state: str) -> str:
    """Return a badge as SVG."""
    source = "<svg xmlns='http://www.w3.org/2000/svg'><text>" + label + ": {{ state }}</text></svg>"
    return badges.from_string(source).render(state=state)  # seeded: flaw template-injection helper


def plain_badge(label: str, state: str) -> str:
    """Return a badge as SVG, of the same form for all labels."""
    source = "<svg xmlns='http://www.w3.org/2000/svg'><text>{{ label }}: {{ state }}</text></svg>"
    return badges.from_string(source).render(label=label, state=state)  # seeded: twin template-injection constant


def rows(pairs) -> Markup:
    """Return a table's rows; names and values are whatever a job said."""
    return Markup("").join(Markup(ROW).format(name, value) for name, value in pairs)  # seeded: twin xss api


def heading(text: str) -> Markup:
    """Return a heading with its line breaks."""
    return Markup("<h2>" + text.replace("\n", "<br>") + "</h2>")  # seeded: flaw xss cross-module


def heading_plain(text: str) -> Markup:
    """Return a heading in one line."""
    return Markup("<h2>") + escape(text) + Markup("</h2>")  # seeded: twin xss sanitised
