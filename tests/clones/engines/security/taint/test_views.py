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
