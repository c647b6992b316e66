"""Flaws in views are found by the rules that ship, and their harmless twins are spared."""

import textwrap
from functools import lru_cache
from pathlib import Path

import msgspec
import pytest

from clones.engines.security.taint import rulebook
from clones.engines.security.taint.rulebook import Rulebook
from tests.clones.engines.security.taint.following import HERE, scan

START = """
import base64, configparser, copy, flask, hashlib, html, io, json, os, pathlib, pickle, platform, queue, random, re
import secrets, shlex, sqlite3, string, subprocess, threading, urllib.parse, yaml
from flask import Flask, make_response, redirect, render_template_string, request, session
app = Flask(__name__)
"""
VIEW = """
@app.route("/x", methods=["GET", "POST"])
def view():
    X = request.args.get("x", "")
"""


class View(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The bodies of two views."""

    name: str
    flaw: str = ""
    harmless: str = ""
    category: str = "command-injection"
    head: str = ""
    files: dict[str, str] = {}

    def program(self, body: str) -> dict[str, str | bytes]:
        return {**self.files, "app.py": START + self.head + VIEW + textwrap.indent(body, "    ")}


def views() -> list[View]:
    read = msgspec.toml.decode((HERE / "view_twins.toml").read_bytes(), type=dict[str, list[View]])
    return read["twins"]


@lru_cache(1)
def shipped() -> Rulebook:
    return rulebook.load()


def categories(place: Path, files: dict[str, str | bytes]) -> set[str]:
    return {each.rule.removeprefix("taint/") for each in scan(place, files, shipped()).results}


@pytest.mark.parametrize("pair", [pytest.param(each, id=each.name) for each in views() if each.flaw])
def test_a_flaw_in_a_view_is_found(pair: View, tmp_path: Path) -> None:
    assert pair.category in categories(tmp_path, pair.program(pair.flaw))


@pytest.mark.parametrize("pair", [pytest.param(each, id=each.name) for each in views() if each.harmless])
def test_the_harmless_twin_of_a_view_is_spared(pair: View, tmp_path: Path) -> None:
    assert pair.category not in categories(tmp_path, pair.program(pair.harmless))


FRAMEWORKS = {
    "what Django's server puts into META": (
        """
        def view(request):
            request.session["a"] = request.META["HTTP_X"]
        """,
        """
        def view(request):
            request.session["a"] = request.META["REMOTE_ADDR"]
            request.session["b"] = request.META.get("CSRF_COOKIE")
        """,
        "from django.http import HttpResponse",
        "trust-boundary",
    ),
    "a class that FastAPI makes of the query": (
        """
        @app.get("/x")
        def view(db: Db, paging: Annotated[Paging, Depends()]):
            db.execute(text("select * from a order by " + paging.order))
        """,
        """
        @app.get("/x")
        def view(db: Db, paging: Annotated[Paging, Depends()]):
            db.execute(text(f"select * from a limit {paging.size}"))
        """,
        """
        from typing import Annotated
        from fastapi import Depends, FastAPI
        from sqlalchemy import text
        from sqlalchemy.orm import Session
        app = FastAPI()
        def session(): ...
        Db = Annotated[Session, Depends(session)]
        class Paging:
            def __init__(self, order: str = "a", size: int = 20):
                self.order = order
                self.size = size
        """,
        "sql-injection",
    ),
    "Bottle's converters": (
        """
        @route("/<first>/<second:path>")
        def view(first, second):
            os.system(f"diff {first} {second}")
        """,
        """
        @route("/<first:int>/<second:int>")
        def view(first, second):
            os.system(f"diff {first} {second}")
        """,
        "import os\nfrom bottle import route",
        "command-injection",
    ),
    "text and objects of JSON in MongoDB": (
        """
        @app.route("/", methods=["POST"])
        def view():
            people.find({"name": request.json["name"]})
        """,
        """
        @app.route("/", methods=["POST"])
        def view():
            people.find({"name": str(request.json["name"])})
        """,
        """
        from flask import Flask, request
        from pymongo import MongoClient
        app = Flask(__name__)
        people = MongoClient("mongodb://db")["a"]["people"]
        """,
        "nosql-injection",
    ),
    "how a log writes what it is given": (
        """
        @app.route("/")
        def view():
            log.info("asked by %s", request.args["x"])
            log.log(20, "by %d and %s", 1, request.args["x"])
        """,
        """
        @app.route("/")
        def view():
            log.info("asked by %r", request.args["x"])
            log.log(20, "by %r and %s", request.args["x"], 1)
        """,
        "import logging\nfrom flask import Flask, request\napp = Flask(__name__)\nlog = logging.getLogger(__name__)",
        "log-injection",
    ),
    "hosts that a helper knows": (
        """
        @app.route("/")
        def view():
            if not known(request.args["x"]):
                print("unknown")
            requests.get(request.args["x"])
        """,
        """
        @app.route("/")
        def view():
            url = request.args["x"]
            if not known(url):
                raise ValueError(url)
            requests.get(url)
        """,
        """
        from urllib.parse import urlparse
        import requests
        from flask import Flask, request
        app = Flask(__name__)
        HOSTS = frozenset({"a.example.org"})
        def known(url):
            return urlparse(url).hostname in HOSTS
        """,
        "ssrf",
    ),
}


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_frameworks_are_known(name: str, tmp_path: Path) -> None:
    flaw, harmless, head, category = FRAMEWORKS[name]
    for number, (body, expected) in enumerate(((flaw, True), (harmless, False))):
        program = textwrap.dedent(head) + textwrap.dedent(body)
        place = tmp_path / str(number)
        place.mkdir()
        assert (category in categories(place, {"app.py": program})) is expected
