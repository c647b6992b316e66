"""Attachments: files that customers add to tickets."""

import os
import tarfile
import uuid
from pathlib import Path

from flask import Blueprint, abort, current_app, request, send_file, send_from_directory
from werkzeug.utils import secure_filename

bp = Blueprint("attachments", __name__)


def root() -> Path:
    """Return the folder of attachments."""
    return Path(current_app.config["ATTACHMENTS"])


def _place(ticket: str, name: str) -> str:
    """Return where a ticket's attachment is kept."""
    return os.path.join(root(), ticket, name)


@bp.get("/attachments/download")
def download():
    """Send one attachment."""
    where = _place(request.args["ticket"], request.args["name"])
    if not os.path.exists(where):
        abort(404)
    return send_file(where, as_attachment=True)  # seeded: flaw path-traversal helper


@bp.get("/attachments/<path:name>")
def serve(name: str):
    """Send a public attachment; Flask refuses names that leave the folder."""
    return send_from_directory(root() / "public", name)  # seeded: twin path-traversal api


@bp.post("/attachments")
def upload():
    """Keep an uploaded file under its own name, cleaned."""
    sent = request.files["file"]
    name = secure_filename(sent.filename or "") or "attachment"
    sent.save(root() / "inbox" / name)  # seeded: twin path-traversal sanitised
    return {"name": name}


@bp.post("/attachments/replace")
def replace():
    """Put a new version of a file in the place of an old one."""
    sent = request.files["file"]
    target = root() / "inbox" / (request.form.get("name") or sent.filename)
    target.parent.mkdir(parents=True, exist_ok=True)
    sent.save(target)  # seeded: flaw path-traversal branch
    return {"name": str(target)}


@bp.get("/attachments/by-id/<ident>")
def by_id(ident: str):
    """Send a file by its identifier."""
    try:
        known = uuid.UUID(ident)
    except ValueError:
        abort(404)
    return send_file(root() / "ids" / f"{known}.bin")  # seeded: twin path-traversal typed


@bp.delete("/attachments")
def remove():
    """Remove a file of the inbox."""
    inbox = (root() / "inbox").resolve()
    wanted = (inbox / request.args["name"]).resolve()
    if not wanted.is_relative_to(inbox):
        abort(403)
    os.remove(wanted)  # seeded: twin path-traversal sanitised
    return "", 204


@bp.post("/attachments/bundle")
def bundle():
    """Unpack a bundle of attachments that a customer sends at once."""
    with tarfile.open(fileobj=request.files["bundle"].stream, mode="r:gz") as archive:
        archive.extractall(root() / "inbox")  # seeded: flaw archive-extraction direct
    return "", 204


@bp.post("/attachments/logs")
def logs():
    """Unpack the logs that the desktop program sends."""
    with tarfile.open(fileobj=request.files["logs"].stream) as archive:
        archive.extractall(root() / "logs", filter="data")  # seeded: twin archive-extraction api
    return "", 204
