"""The editors' pages (CherryPy)."""

import json
import re
import urllib.request
from html import escape
from urllib.parse import quote

import cherrypy
import genshi.template
from chameleon import PageTemplate

from newsroom import archive

TEASER = PageTemplate("<p><b>${title}</b> ${text}</p>")
AGENCIES = {"north": "https://north.example.com/latest", "south": "https://south.example.com/latest"}


class Pages:
    """What editors see."""

    @cherrypy.expose
    def index(self, q="", page="1"):
        """Show what was asked for."""
        letters = archive.Letters()
        shown = "".join(f"<li>{escape(title)}</li>" for title in letters.of_page(page))
        return f"<form><input name=q value='{q}'></form><ul>{shown}</ul>"  # seeded: flaw xss direct

    @cherrypy.expose
    def author(self, name, section=""):
        """List an author's articles, or a section."""
        issues = archive.Issues()
        titles = issues.in_section(section) if section else issues.by_author(name)
        listed = archive.old_articles(name) + titles
        return f"<h1 title='{escape(name, quote=True)}'>{len(listed)} articles</h1>"  # seeded: twin xss sanitised

    @cherrypy.expose
    @cherrypy.tools.json_out()
    def place(self, place):
        """List the letters from a place."""
        return archive.Letters().by_place(place)

    @cherrypy.expose
    @cherrypy.tools.json_out()
    def find(self, q, first="1900", last="2100"):
        """Find words, or the articles of some years."""
        return archive.words(q) if q else archive.articles_between(first, last)

    @cherrypy.expose
    def teaser(self, title="", text=""):
        """Show a teaser."""
        return TEASER(title=title, text=text)  # seeded: twin template-injection constant

    @cherrypy.expose
    def layout(self, source, title=""):
        """Show a layout with a title in it."""
        markup = genshi.template.MarkupTemplate(source)  # seeded: flaw template-injection direct
        return markup.generate(title=title).render("html")

    @cherrypy.expose
    def pictures(self, sent, kind="pictures"):
        """Take pictures, proofs or fonts."""
        if kind == "fonts":
            archive.take_fonts(sent.file)
            return "taken"
        take = archive.take_proofs if kind == "proofs" else archive.take_pictures
        return str(take(sent.file))

    @cherrypy.expose
    @cherrypy.tools.json_out()
    def issues(self, sent, plain=None):
        """List the issues that another paper sends."""
        return list(archive.each_plain_issue(sent.file) if plain else archive.each_issue(sent.file))

    @cherrypy.expose
    def role(self, role="", desk=""):
        """Keep in which role and at which desk somebody works."""
        cherrypy.session["desk"] = desk if re.fullmatch(r"[a-z]{1,10}", desk) else "main"  # seeded: twin trust-boundary allow-list
        kept = {"role": role, "since": "today"}
        if not role:
            # Nothing else was asked for.
            return "Kept."
        cherrypy.session["role"] = kept["role"]  # seeded: flaw trust-boundary container
        return "Kept."

    @cherrypy.expose
    def latest(self, agency="", own=""):
        """Show an agency's latest messages."""
        if agency in AGENCIES:
            with urllib.request.urlopen(AGENCIES[agency], timeout=5) as answer:  # seeded: twin ssrf allow-list
                return escape(answer.read(1000).decode())
        own = own if own.startswith("http") else "http://" + own
        wanted = urllib.request.Request(own, headers={"Accept": "application/json"})
        with urllib.request.urlopen(wanted, timeout=5) as answer:  # seeded: flaw ssrf direct
            return json.dumps(json.load(answer))

    @cherrypy.expose
    def go(self, to="/", word=""):
        """Go to an encyclopaedia's page, or to one of ours."""
        if word:
            raise cherrypy.HTTPRedirect("https://encyclopaedia.example.org/wiki/" + quote(word))  # seeded: twin open-redirect sanitised
        if not to.startswith("/"):
            raise cherrypy.NotFound

        raise cherrypy.HTTPRedirect(to)  # seeded: flaw open-redirect direct

    @cherrypy.expose
    def colours(self, scheme="day"):
        """Keep which colours somebody likes, and a key by which the browser is known again."""
        jar = cherrypy.response.cookie
        jar["reader_key"] = cherrypy.session.id  # seeded: flaw insecure-cookie direct
        jar["reader_key"]["path"] = "/"
        return "night" if scheme == "night" else "day"


def main() -> None:
    """Serve."""
    cherrypy.quickstart(Pages(), "/", {"/": {"tools.sessions.on": True, "tools.sessions.secure": True}})
