import io
import os
import tarfile
import zipfile
from pathlib import Path

from flask import Blueprint, abort, current_app, jsonify, request, send_file, send_from_directory
from werkzeug.utils import secure_filename

from ..storage import Attic, Shelf, inside

bp = Blueprint("files", __name__)
SAMPLES = Path("/srv/bookshop/samples")


@bp.route("/sample/<path:name>")
def sample(name):
    return send_file(SAMPLES / name)  # seeded: flaw path-traversal direct


@bp.route("/sample-of/<path:name>")
def sample_of(name):
    return send_from_directory(SAMPLES, name)  # seeded: twin path-traversal api


@bp.route("/excerpt/<int:number>")
def excerpt(number):
    return (SAMPLES / f"{number}.txt").read_text()  # seeded: twin path-traversal typed


@bp.route("/upload", methods=["POST"])
def upload():
    file = request.files["file"]
    target = os.path.join(current_app.config["UPLOADS"], file.filename)
    file.save(target)  # seeded: flaw path-traversal direct
    return "", 201


@bp.route("/upload-safely", methods=["POST"])
def upload_safely():
    file = request.files["file"]
    target = os.path.join(current_app.config["UPLOADS"], secure_filename(file.filename))
    file.save(target)  # seeded: twin path-traversal sanitised
    return "", 201


@bp.route("/note")
def note():
    return jsonify(text=Shelf("notes").read(request.args["name"]))


@bp.route("/note-checked")
def note_checked():
    return jsonify(text=Attic("notes").read(request.args["name"]))


@bp.route("/manual")
def manual():
    path = inside(SAMPLES, request.args.get("chapter", "1"))
    if path is None:
        abort(404)
    with open(path, encoding="utf-8") as file:  # seeded: twin path-traversal sanitised
        return jsonify(text=file.read())


@bp.route("/delete", methods=["POST"])
def delete():
    names = request.form.getlist("name")
    for name in names:
        if not name:
            continue
        os.remove("/srv/bookshop/uploads/" + name)  # seeded: flaw path-traversal loop
    return "", 204


@bp.route("/delete-own", methods=["POST"])
def delete_own():
    for name in request.form.getlist("name"):
        os.remove("/srv/bookshop/uploads/" + os.path.basename(name))  # seeded: twin path-traversal sanitised
    return "", 204


@bp.route("/import", methods=["POST"])
def import_archive():
    archive = tarfile.open(fileobj=io.BytesIO(request.get_data()))
    archive.extractall("/srv/bookshop/incoming")  # seeded: flaw archive-extraction direct
    return "", 202


@bp.route("/import-filtered", methods=["POST"])
def import_filtered():
    with tarfile.open(fileobj=io.BytesIO(request.get_data())) as archive:
        archive.extractall("/srv/bookshop/incoming", filter="data")  # seeded: twin archive-extraction api
    return "", 202


@bp.route("/import-zip", methods=["POST"])
def import_zip():
    with zipfile.ZipFile(request.files["archive"].stream) as archive:
        for member in archive.namelist():
            target = os.path.join("/srv/bookshop/incoming", member)
            with open(target, "wb") as file:  # seeded: flaw archive-extraction loop
                file.write(archive.read(member))
    return "", 202


@bp.route("/import-zip-flat", methods=["POST"])
def import_zip_flat():
    with zipfile.ZipFile(request.files["archive"].stream) as archive:
        for member in archive.namelist():
            target = os.path.join("/srv/bookshop/incoming", os.path.basename(member))
            with open(target, "wb") as file:  # seeded: twin archive-extraction sanitised
                file.write(archive.read(member))
    return "", 202
