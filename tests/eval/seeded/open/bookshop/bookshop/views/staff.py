from flask import Blueprint, current_app, jsonify, request

from .. import directory

bp = Blueprint("staff", __name__)


def _rota():
    return directory.Rota(current_app.config["ROTA"])


@bp.get("/person")
def person():
    return jsonify(str(directory.person(request.args["uid"])))


@bp.get("/person-escaped")
def person_escaped():
    return jsonify(str(directory.person_escaped(request.args["uid"])))


@bp.get("/group/<name>")
def group(name):
    return jsonify(str(directory.members(name)))


@bp.get("/group-escaped/<name>")
def group_escaped(name):
    return jsonify(str(directory.members_escaped(name)))


@bp.get("/shifts")
def shifts():
    who = request.headers.get("X-Staff", "")
    return jsonify([each.get("day") for each in _rota().shifts(who)])


@bp.get("/my-shifts")
def my_shifts():
    who = request.headers.get("X-Staff", "")
    return jsonify([each.get("day") for each in _rota().shifts_of(who)])


@bp.get("/day/<int:number>")
def day(number):
    return jsonify([each.get("who") for each in _rota().on_day(number)])


@bp.get("/skills")
def skills():
    expressions = [f"//person[skill='{skill}']" for skill in request.args.getlist("skill")]
    tree = _rota().tree
    found = []
    for expression in expressions:
        found.extend(tree.xpath(expression))  # seeded: flaw xpath-injection loop
    return jsonify(len(found))
