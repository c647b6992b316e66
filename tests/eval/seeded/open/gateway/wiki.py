"""A wiki on bottle."""

import html
import os
import re

from bottle import HTTPResponse, abort, default_app, redirect, request, response, route, run, static_file, template
from mako.template import Template

PAGES = "/srv/wiki"
START = "Start"


def path_of(title):
    return os.path.join(PAGES, title + ".md")


@route("/page/<title:path>")
def page(title):
    try:
        with open(path_of(title)) as file:  # seeded: flaw path-traversal helper
            return template("page", title=title, text=file.read())
    except FileNotFoundError:
        return "<p>No page named " + title + "</p>"  # seeded: flaw xss exception


@route("/clean/<title:path>")
def clean(title):
    title = re.sub(r"[^A-Za-z0-9_]", "", title)
    with open(path_of(title)) as file:  # seeded: twin path-traversal sanitised
        return template("page", title=title, text=file.read())


@route("/static/<name:path>")
def static(name):
    return static_file(name, root=PAGES)  # seeded: twin path-traversal api


@route("/missing")
def missing():
    title = html.escape(request.query.get("title", ""))
    return HTTPResponse("<p>No page named %s</p>" % title, status=404)  # seeded: twin xss sanitised


@route("/motto")
def motto():
    words = request.query.motto or "Know more"
    return template("<blockquote>" + words + "</blockquote>")  # seeded: flaw template-injection direct


@route("/motto-fixed")
def motto_fixed():
    words = request.query.motto or "Know more"
    return template("<blockquote>{{words}}</blockquote>", words=words)  # seeded: twin template-injection api


@route("/banner", method="POST")
def banner():
    text = "## a banner\n" + request.forms.get("text")
    return Template(text).render()  # seeded: flaw template-injection direct


@route("/banner-fixed", method="POST")
def banner_fixed():
    return Template("<b>${text | h}</b>").render(text=request.forms.get("text"))  # seeded: twin template-injection api


@route("/login", method="POST")
def login():
    response.set_cookie("reader", request.forms.get("name"), secret="s3cr3t")  # seeded: flaw insecure-cookie direct
    redirect(request.forms.get("back", "/"))  # seeded: flaw open-redirect direct


@route("/login-strict", method="POST")
def login_strict():
    response.set_cookie("reader", request.forms.get("name"), secure=True, httponly=True)  # seeded: twin insecure-cookie api
    redirect("/page/" + START)  # seeded: twin open-redirect constant


@route("/diff/<first:int>/<second:int>")
def diff(first, second):
    if second < first:
        abort(400, "the other way round")
    with os.popen(f"diff {PAGES}/{first} {PAGES}/{second}") as output:  # seeded: twin command-injection typed
        return template("diff", text=output.read())


@route("/history/<title>")
def history(title):
    with os.popen(f"git -C {PAGES} log -- {title}.md") as output:  # seeded: flaw command-injection direct
        return template("history", text=output.read())


application = default_app()

if __name__ == "__main__":
    run(application)
