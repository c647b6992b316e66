"""Whole projects: modules that import each other, ways over them, frameworks, and what is hostile."""

import time
from pathlib import Path

import pytest

from clones.engines.security.taint import budget, rulebook
from tests.clones.engines.security.taint.following import scan


def _lines(place: Path, files: dict[str, str | bytes]) -> list[tuple[str, int]]:
    return [(each.path, each.line) for each in scan(place, files).results]


def _scan_shipped(place: Path, files: dict[str, str | bytes]) -> list[tuple[str, int]]:
    """Scan by the rules that ship."""
    return [(each.path, each.line) for each in scan(place, files, rulebook.load()).results]


HANDLER = """
    from flask import Flask, request
    {imports}
    app = Flask(__name__)

    @app.route("/")
    def handler():
        {call}(request.args["x"])
"""
RUN = """
    import os

    def run(command):
        os.system(command)
"""


@pytest.mark.parametrize(
    ("imports", "call", "helper"),
    [
        ("import helper", "helper.run", "helper.py"),
        ("import helper as h", "h.run", "helper.py"),
        ("from helper import run", "run", "helper.py"),
        ("from helper import run as go", "go", "helper.py"),
        ("from helper import *", "run", "helper.py"),
        ("from tools.helper import run", "run", "tools/helper.py"),
        ("import tools.helper", "tools.helper.run", "tools/helper.py"),
        ("from tools import helper", "helper.run", "tools/helper.py"),
    ],
)
def test_an_import_is_followed(imports: str, call: str, helper: str, tmp_path: Path) -> None:
    assert _lines(tmp_path, {"app.py": HANDLER.format(imports=imports, call=call), helper: RUN}) == [(helper, 5)]


def test_relative_imports_and_what_a_package_hands_on_are_followed(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "src/pkg/__init__.py": "from .deep.helper import run",
        "src/pkg/deep/__init__.py": "",
        "src/pkg/deep/helper.py": RUN,
        "src/pkg/web.py": HANDLER.format(imports="from . import run", call="run"),
        "src/main.py": HANDLER.format(imports="import pkg", call="pkg.run"),
    }
    assert _lines(tmp_path, files) == [("src/pkg/deep/helper.py", 5)]


def test_a_finding_has_its_way_from_the_source_to_the_sink(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "app.py": HANDLER.format(imports="import helper", call="helper.run"),
        "helper.py": RUN,
    }
    (finding,) = scan(tmp_path, files).results
    assert [(step.path, step.line) for step in finding.flow] == [("app.py", 8), ("helper.py", 5)]
    assert "flask.request.args" in finding.flow[0].message
    assert finding.rule == "taint/command-injection"
    assert (finding.cwe, finding.severity, finding.confidence) == (78, "critical", "high")


def test_modules_that_import_each_other_are_read(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "app.py": HANDLER.format(imports="import helper\n    def own(v):\n        helper.run(v)", call="own"),
        "helper.py": "import os\nimport app\n\ndef run(c):\n    os.system(c)\n",
    }
    assert _lines(tmp_path, files) == [("helper.py", 5)]


def test_a_class_of_another_module_is_followed(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "app.py": HANDLER.format(imports="from store import Store", call="Store().find"),
        "store.py": """
            import sqlite3
            class Store:
                def __init__(self):
                    self.db = sqlite3.connect("x")
                def find(self, name):
                    cursor = self.db.cursor()
                    cursor.execute("select " + name)
                    cursor.execute("select ?", (name,))
            """,
    }
    assert _lines(tmp_path, files) == [("store.py", 8)]


def test_parameters_that_are_numbers_or_the_framework_s_own_bring_nothing_in(tmp_path: Path) -> None:
    program = """
        import os
        from fastapi import FastAPI, Request
        app = FastAPI()

        @app.get("/{a}/{b}")
        async def handler(a: str, b: int, c: Request, d: str | None = None):
            os.system(a)
            os.system(b)
            os.system(c)
            os.system(d)
        """
    assert _lines(tmp_path, {"app.py": program}) == [("app.py", 8), ("app.py", 11)]


def test_django_views_and_methods_of_views_bring_data_in(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "views.py": """
            import os
            from django.shortcuts import render

            def listing(request):
                os.system(request.GET["x"])
            """,
        "method.py": """
            import os
            from flask.views import MethodView

            class View(MethodView):
                def get(self, name):
                    os.system(name)
                def other(self, name):
                    os.system(name)
            """,
    }
    assert _lines(tmp_path, files) == [("method.py", 7), ("views.py", 6)]


def test_what_django_s_url_patterns_hand_to_views_comes_in_but_for_numbers(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "views.py": """
            import os

            def show(request, name):
                os.system(name)

            def count(request, number):
                os.system(number)

            def either(request, key):
                os.system(key)

            def unnamed(request, name):
                os.system(name)
            """,
        "urls.py": """
            from django.urls import path, re_path
            import views

            urlpatterns = [
                path("<path:name>", views.show),
                path("", views.count),
                path("<int:number>", views.count),
                re_path(r"^(?P<number>[0-9]+)/$", views.count),
                path("n/<int:key>", views.either),
                path("k/<key>", views.either),
            ]
            """,
    }
    assert _lines(tmp_path, files) == [("views.py", 5), ("views.py", 11)]


def test_the_request_of_a_class_view_is_no_data_by_itself(tmp_path: Path) -> None:
    program = """
        import os
        from django.views import View

        class Show(View):
            def get(self, request, name):
                os.system(request.user.login)
                os.system(request.GET["x"])
                os.system(name)
        """
    results = _scan_shipped(tmp_path, {"views.py": program})
    assert [line for _, line in results] == [8, 9]


def test_an_instance_of_a_module_s_class_is_known(tmp_path: Path) -> None:
    program = """
        import argparse
        import os

        parser = argparse.ArgumentParser()
        parser.add_argument("x")
        os.system(parser.parse_args().x)
        """
    assert _scan_shipped(tmp_path, {"app.py": program}) == [("app.py", 7)]


def test_what_the_owner_of_the_machine_gives_weighs_less(tmp_path: Path) -> None:
    (finding,) = scan(tmp_path, {"main.py": "import os, sys\nos.system(sys.argv[1])\n"}).results
    assert finding.severity == "medium"


def test_what_cannot_be_read_is_told_and_the_rest_is_scanned(tmp_path: Path) -> None:
    deep = "x = " + "(" * 5000 + ")" * 5000
    chained = "x = a" + ".b" * 20_000 + "\n"
    nested = "".join("    " * depth + "if x:\n" for depth in range(95)) + "    " * 95 + "pass\n"
    files: dict[str, str | bytes] = {
        "broken.py": "def f(:\n",
        "null.py": b"x = 1\x00\n",
        "deep.py": deep,
        "chained.py": chained,
        "nested.py": nested,
        "sum.py": "x = " + "+".join(["1"] * 30_000) + "\n",
        "latin.py": b"# -*- coding: latin-1 -*-\nx = '\xe9'\n",
        "power.py": "x = 9 ** 9 ** 9 ** 9\ny = 'a' * 10 ** 12\nz = '%999999999d' % 1\n",
        "loop.py": "def f():\n    return f() + g()\ndef g():\n    return f()\nf()\n",
        "good.py": "import os, sys\nos.system(sys.argv[1])\n",
    }
    scanned = scan(tmp_path, files)
    assert [each.path for each in scanned.results] == ["good.py"]
    assert {"broken.py", "null.py", "deep.py"} <= scanned.unread.keys()
    assert not {"good.py", "latin.py", "power.py", "loop.py"} & scanned.unread.keys()


def test_two_scans_say_the_same(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "app.py": HANDLER.format(imports="import helper", call="helper.run"),
        "helper.py": RUN,
    }
    first, second = (scan(tmp_path / name, files).results for name in ("a", "b"))
    assert first == second


def _tangle(size: int) -> str:
    """Return functions that call each other in many ways, each time with other arguments."""
    lines = ["import sys"]
    for place in range(size):
        lines += [f"def f{place}(text, seen):", f"    seen = [*seen, '{place}', text]"]
        for step in (1, 3, 7):
            lines += [f"    if text > '{step}':", f"        seen = f{(place + step) % size}(text + '{step}', seen)"]
        lines += ["    return seen"]
    return "\n".join([*lines, *(f"def g{place}(): f{place}(sys.argv[1], [{place}])" for place in range(size))])


def test_a_tangle_of_calls_is_followed_within_bounds_and_harms_nothing_beside_it(tmp_path: Path) -> None:
    begin = time.process_time()
    scanned = scan(tmp_path, {"a.py": _tangle(12), "b.py": "import os, sys\nos.system(sys.argv[1])\n"})
    assert [each.path for each in scanned.results] == ["b.py"]
    assert time.process_time() - begin < 30


def test_what_the_clock_ends_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = "import os, sys\nos.system(sys.argv[1])\n"
    slow = good + "def f():\n    x = sys.argv[2]\n" + "    x = x + '.'\n" * 600 + "    os.system(x)\n"
    whole = scan(tmp_path / "whole", {"good.py": good, "slow.py": slow})
    assert [(each.path, each.line) for each in whole.results] == [("good.py", 2), ("slow.py", 2), ("slow.py", 605)]
    monkeypatch.setattr(budget, "MAX_ROOT_CPU_S", 0.0)
    ended = scan(tmp_path / "ended", {"good.py": good, "slow.py": slow})
    assert ended.unread.keys() == {"good.py", "slow.py"}
    assert ended.results == ()


def test_the_text_that_a_view_returns_is_written_into_a_page(tmp_path: Path) -> None:
    program = """
        from flask import Flask, escape, jsonify, redirect, render_template, request
        app = Flask(__name__)

        @app.route("/")
        def text():
            return f"<p>{request.args['x']}"

        @app.route("/both")
        def both():
            return "<p>" + request.args["x"], 404

        @app.route("/fine/<int:number>")
        def fine(number):
            if number:
                return jsonify(x=request.args["x"])
            return {"x": request.args["x"]} if number else render_template("page.html", x=request.args["x"])
        """
    assert _scan_shipped(tmp_path, {"app.py": program}) == [("app.py", 7), ("app.py", 11)]


def test_a_path_on_the_same_site_is_no_open_redirect(tmp_path: Path) -> None:
    program = """
        from flask import Flask, redirect, request
        app = Flask(__name__)

        @app.route("/a")
        def checked():
            to = request.args["to"]
            if not to.startswith("/") or to.startswith("//"):
                to = "/"
            return redirect(to)

        @app.route("/b")
        def half_checked():
            to = request.args["to"]
            if to.startswith("//"):
                to = "/"
            return redirect(to)
        """
    assert _scan_shipped(tmp_path, {"app.py": program}) == [("app.py", 17)]
