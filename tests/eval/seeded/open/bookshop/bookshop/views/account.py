import base64
import hashlib
import logging
import pickle
import random
import secrets

from flask import Blueprint, Response, current_app, json, jsonify, make_response, redirect, request, session, url_for

from .. import db, feeds
from ..text import one_line

bp = Blueprint("account", __name__)
log = logging.getLogger("bookshop.account")


def password_digest(password, salt):
    return hashlib.md5((salt + password).encode()).hexdigest()  # seeded: flaw weak-hash helper


def password_key(password, salt):
    return hashlib.scrypt(password.encode(), salt=salt.encode(), n=2**14, r=8, p=1).hex()  # seeded: twin weak-hash api


@bp.route("/login", methods=["POST"])
def login():
    user, password = request.form["user"], request.form["password"]
    rows = db.fetch_all("SELECT salt, digest FROM users WHERE name = ?", (user,))
    if not rows or password_digest(password, rows[0]["salt"]) != rows[0]["digest"]:
        log.warning("failed login of %s", user)  # seeded: flaw log-injection direct
        return redirect(url_for("account.login"))
    session["user"] = user
    log.info("login of %s", one_line(user))  # seeded: twin log-injection sanitised
    return redirect("/")


@bp.route("/remember", methods=["POST"])
def remember():
    token = "%032x" % random.getrandbits(128)  # seeded: flaw weak-random direct
    response = make_response("remembered")
    response.set_cookie("remember_token", token)  # seeded: flaw insecure-cookie direct
    return response


@bp.route("/remember-me", methods=["POST"])
def remember_me():
    token = secrets.token_hex(16)
    response = make_response("remembered")
    response.set_cookie("remember_token", token, secure=True, httponly=True, samesite="Lax")  # seeded: twin insecure-cookie api
    return response


def reset_code():
    return "".join(random.choice("0123456789ABCDEF") for _ in range(12))  # seeded: flaw weak-random helper


def reset_code_strong():
    chooser = random.SystemRandom()
    return "".join(chooser.choice("0123456789ABCDEF") for _ in range(12))  # seeded: twin weak-random api


@bp.route("/reset", methods=["POST"])
def reset():
    code = reset_code()
    db.fetch_all("UPDATE users SET reset_code = ? WHERE name = ?", (code, request.form["user"]))
    return "sent"


@bp.route("/reset-strong", methods=["POST"])
def reset_strong():
    code = reset_code_strong()
    db.fetch_all("UPDATE users SET reset_code = ? WHERE name = ?", (code, request.form["user"]))
    return "sent"


@bp.route("/cart")
def cart():
    packed = request.cookies.get("cart", "")
    items = pickle.loads(base64.urlsafe_b64decode(packed))  # seeded: flaw deserialization direct
    return jsonify(items)


@bp.route("/cart-json")
def cart_json():
    packed = request.cookies.get("cart", "{}")
    items = json.loads(base64.urlsafe_b64decode(packed))  # seeded: twin deserialization api
    return jsonify(items)


def _read_role():
    return request.get_json().get("role", "reader")


@bp.route("/role", methods=["POST"])
def role():
    session["role"] = _read_role()  # seeded: flaw trust-boundary helper
    return "", 204


@bp.route("/theme", methods=["POST"])
def theme():
    wanted = request.get_json().get("theme")
    session["theme"] = wanted if wanted in ("dark", "light") else "light"  # seeded: twin trust-boundary allow-list
    return "", 204


@bp.route("/invoice")
def invoice():
    response = Response("…", mimetype="application/pdf")
    name = request.args.get("name", "invoice")
    response.headers["Content-Disposition"] = "attachment; filename=" + name
    return response


@bp.route("/receipt")
def receipt():
    response = Response("…", mimetype="application/pdf")
    response.headers["Content-Disposition"] = f"attachment; filename={int(request.args['number'])}.pdf"  # seeded: twin header-injection typed
    return response


@bp.route("/wishlist/import", methods=["POST"])
def import_wishlist():
    return jsonify(feeds.items(request.get_data()))


@bp.route("/wishlist/import-strict", methods=["POST"])
def import_wishlist_strict():
    return jsonify(feeds.items_strict(request.get_data()))


@bp.route("/avatar", methods=["POST"])
def avatar():
    fetcher = feeds.Fetcher(request.form["site"])
    picture = fetcher.get("/avatar.png")
    etag = hashlib.sha1(picture.content, usedforsecurity=False).hexdigest()  # seeded: twin weak-hash api
    current_app.logger.info("avatar of %d bytes", len(picture.content))  # seeded: twin log-injection typed
    return etag


@bp.route("/newest")
def newest():
    return feeds.Mirror().newest(request.args.get("count", "10")).text


@bp.route("/subscribe", methods=["POST"])
def subscribe():
    return feeds.subscribe(request.form["feed"])
