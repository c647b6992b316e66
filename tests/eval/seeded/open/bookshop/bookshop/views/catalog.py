import logging
import re

from flask import Blueprint, abort, jsonify, make_response, redirect, render_template, render_template_string, request, url_for
from markupsafe import Markup, escape

from .. import db, feeds
from ..text import banner, plain

bp = Blueprint("catalog", __name__)
log = logging.getLogger(__name__)

COLLECTIONS = {"new": "New arrivals", "rare": "Rare books", "kids": "For children"}


@bp.route("/")
def index():
    column = request.args.get("sort", "title")
    return render_template("index.html", books=db.books_sorted(column))


@bp.route("/author/<name>")
def author(name):
    return render_template("books.html", books=db.books_by_author(name))


@bp.route("/title")
def title():
    return render_template("books.html", books=db.books_by_title(request.args["q"]))


@bp.route("/book/<int:book_id>")
def book(book_id):
    rows = db.fetch_all("SELECT * FROM books WHERE id = ?", (book_id,))
    if not rows:
        return f"<h1>No book {book_id}</h1>", 404  # seeded: twin xss typed
    return render_template("book.html", book=rows[0])


@bp.route("/filter")
def filtered():
    query = db.Query("books").where("language", request.args.get("language", "en"))
    condition = request.args.get("extra")
    if condition:
        query.raw(condition)
    return jsonify([dict(row) for row in query.run()])


@bp.route("/stock/<warehouse>")
def stock(warehouse):
    return jsonify(count=db.StockCounter(db.get_db(), warehouse).count())


@bp.route("/hello")
def hello():
    name = request.args.get("name", "reader")
    return "<p>Welcome back, " + name + "</p>"  # seeded: flaw xss direct


@bp.route("/hello-again")
def hello_again():
    name = escape(request.args.get("name", "reader"))
    return f"<p>Welcome back, {name}</p>"  # seeded: twin xss sanitised


@bp.route("/collection/<key>")
def collection(key):
    heading = COLLECTIONS.get(key)
    if heading is None:
        abort(404)
    return f"<h1>{heading}</h1>"  # seeded: twin xss allow-list


@bp.route("/announce", methods=["POST"])
def announce():
    page = banner(request.form["headline"], request.form.get("colour", "red"))
    return make_response(page)  # seeded: flaw xss cross-module


@bp.route("/announce-plain", methods=["POST"])
def announce_plain():
    return make_response(plain(request.form["headline"]))  # seeded: twin xss sanitised


@bp.route("/shelf")
def shelf():
    parts = {"label": request.args.get("label", ""), "icon": "books"}
    return Markup("<b>%s</b>" % parts["label"])  # seeded: flaw xss container


@bp.route("/shelf-icon")
def shelf_icon():
    parts = {"label": request.args.get("label", ""), "icon": "books"}
    return Markup("<i class='%s'></i>" % parts["icon"])  # seeded: twin xss safe-element


@bp.route("/card")
def card():
    greeting = request.values.get("greeting")
    template = "<div class='card'>" + greeting + "</div>{{ shop }}"
    return render_template_string(template, shop="Bookshop")  # seeded: flaw template-injection direct


@bp.route("/card-safe")
def card_safe():
    template = "<div class='card'>{{ greeting }}</div>{{ shop }}"
    return render_template_string(template, greeting=request.values.get("greeting"), shop="Bookshop")  # seeded: twin template-injection api


def _back_to():
    return request.args.get("next") or url_for("catalog.index")


@bp.route("/language", methods=["POST"])
def language():
    log.info("language chosen")
    return redirect(_back_to())  # seeded: flaw open-redirect helper


@bp.route("/currency", methods=["POST"])
def currency():
    target = _back_to()
    if target not in ("/", "/cart", "/account"):
        target = "/"
    return redirect(target)  # seeded: twin open-redirect allow-list


@bp.route("/page/<int:number>")
def page(number):
    return redirect(f"/catalogue?page={number}")  # seeded: twin open-redirect typed


@bp.route("/out")
def out():
    location = "https://" + request.args["partner"]
    return redirect(location, code=303)  # seeded: flaw open-redirect direct


@bp.route("/partner")
def partner():
    return redirect("https://partner.example.org/shop?ref=" + request.args.get("ref", ""))  # seeded: twin open-redirect constant


@bp.route("/titles")
def titles():
    wanted = re.compile(request.args["pattern"], re.IGNORECASE)  # seeded: flaw regex-injection direct
    return jsonify([row["title"] for row in db.fetch_all("SELECT title FROM books") if wanted.search(row["title"])])


@bp.route("/titles-word")
def titles_word():
    wanted = re.compile(r"\b" + re.escape(request.args["word"]), re.IGNORECASE)  # seeded: twin regex-injection sanitised
    return jsonify([row["title"] for row in db.fetch_all("SELECT title FROM books") if wanted.search(row["title"])])


@bp.route("/preview")
def preview():
    return jsonify(feeds.preview(request.args["url"]))


@bp.route("/cover/<isbn>")
def cover(isbn):
    return feeds.cover(isbn)
