import re
from functools import wraps

from flask import Blueprint, abort, jsonify, request
from flask.views import MethodView

from ..db import get_db
from ..text import shout

bp = Blueprint("search", __name__)

IDENTIFIER = re.compile(r"[a-z_]+")


def with_term(view):
    @wraps(view)
    def wrapped(*args, **kwargs):
        return view(request.args.get("term", ""), *args, **kwargs)

    return wrapped


@bp.route("/decorated")
@with_term
def decorated(term):
    rows = get_db().execute("SELECT * FROM books WHERE title LIKE '%" + term + "%'")  # seeded: flaw sql-injection decorator
    return jsonify(len(rows.fetchall()))


@bp.route("/decorated-bound")
@with_term
def decorated_bound(term):
    rows = get_db().execute("SELECT * FROM books WHERE title LIKE ?", ("%" + term + "%",))  # seeded: twin sql-injection api
    return jsonify(len(rows.fetchall()))


def conditions(values):
    for key, value in values.items():
        yield f"{key} = '{value}'"


@bp.route("/advanced")
def advanced():
    where = " AND ".join(conditions(request.args))
    return jsonify(len(get_db().execute("SELECT * FROM books WHERE " + where).fetchall()))  # seeded: flaw sql-injection generator


@bp.route("/advanced-column")
def advanced_column():
    column = request.args["column"]
    if not IDENTIFIER.fullmatch(column):
        abort(400)
    return jsonify(len(get_db().execute(f"SELECT {column} FROM books").fetchall()))  # seeded: twin sql-injection sanitised


def apply(function, value):
    return function(value)


@bp.route("/loud")
def loud():
    term = apply(shout, request.args.get("q"))
    connection = get_db()
    connection.executescript(f"INSERT INTO searches VALUES ('{term}');")  # seeded: flaw sql-injection callback
    return "", 204


@bp.route("/loud-number")
def loud_number():
    term = apply(int, request.args.get("q"))
    connection = get_db()
    connection.executescript(f"INSERT INTO numbers VALUES ({term});")  # seeded: twin sql-injection typed
    return "", 204


@bp.route("/recent")
def recent():
    limit = request.args.get("limit", "10")
    limit = 25
    return jsonify(len(get_db().execute(f"SELECT * FROM books LIMIT {limit}").fetchall()))  # seeded: twin sql-injection overwritten


@bp.route("/pair")
def pair():
    first, second = request.args.get("a", ""), "title"
    first, second = second, first
    rows = get_db().execute(f"SELECT {first} FROM books")  # seeded: twin sql-injection safe-element
    other = get_db().execute(f"SELECT title FROM books ORDER BY {second}")  # seeded: flaw sql-injection container
    return jsonify(len(rows.fetchall()) + len(other.fetchall()))


class Shelves(MethodView):
    def _statement(self, shelf):
        return "SELECT * FROM books WHERE shelf = '" + shelf + "'"

    def get(self):
        rows = get_db().execute(self._statement(request.args["shelf"]))  # seeded: flaw sql-injection helper
        return jsonify(len(rows.fetchall()))

    def delete(self, shelf_id: int):
        get_db().execute("DELETE FROM shelves WHERE id = %d" % shelf_id)  # seeded: twin sql-injection typed
        return "", 204


bp.add_url_rule("/shelves", view_func=Shelves.as_view("shelves"))
bp.add_url_rule("/shelves/<int:shelf_id>", view_func=Shelves.as_view("shelf"), methods=["DELETE"])
