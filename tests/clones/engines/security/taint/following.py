"""Small programs through the taint analysis, by the rules of these tests."""

import textwrap
from functools import lru_cache
from pathlib import Path
from typing import Literal

import msgspec

from clones.engines.security.reported import Scan
from clones.engines.security.scope import survey
from clones.engines.security.taint import rulebook, taint_scan
from clones.engines.security.taint.rulebook import Rulebook

HERE = Path(__file__).parent
START = """
import os, sqlite3, subprocess, sys, shlex, re, requests, logging, hashlib, random
from flask import Flask, request, redirect, abort, make_response, session
app = Flask(__name__)
"""
HANDLER = """
@app.route("/")
def handler():
    X = request.args.get("x")
"""


class Twins(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A flaw, and what looks like it."""

    name: str
    flaw: str
    harmless: str
    category: str = "command-injection"
    within: Literal["module", "handler"] = msgspec.field(name="in", default="module")

    def program(self, body: str) -> str:
        return START + (HANDLER + textwrap.indent(body, "    ") if self.within == "handler" else body)


def twins() -> list[Twins]:
    read = msgspec.toml.decode((HERE / "twins.toml").read_bytes(), type=dict[str, list[Twins]])
    return read["twins"]


@lru_cache(1)
def rules() -> Rulebook:
    return rulebook.load(HERE / "rules")


def scan(place: Path, files: dict[str, str | bytes], book: Rulebook | None = None) -> Scan:
    target, copy = place / "target", place / "copy"
    for name, text in files.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
    copy.mkdir()
    return taint_scan.scan(copy, survey(target, copy), lambda done: None, book or rules())


def found(place: Path, program: str) -> list[str]:
    """Scan one module; returns the categories found, sorted."""
    results = scan(place, {"app.py": program}).results
    return sorted({each.rule.removeprefix("taint/") for each in results})
