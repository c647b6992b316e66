"""Hookline takes events and passes them on (Tornado)."""

import asyncio
import html
import json
import logging
import os
import re
import secrets

import tornado.escape
import tornado.template
import tornado.web

import deliver
import keep
import rules

log = logging.getLogger("hookline")
PAGE = tornado.template.Template("<h1>{{ title }}</h1><ul>{% for e in events %}<li>{{ e }}</li>{% end %}</ul>")


class Base(tornado.web.RequestHandler):
    """What all pages share."""

    def body(self) -> dict:
        """Return the request's body."""
        return rules.read_event(self.request.body.decode())

    def back_to(self) -> str:
        """Return where the asker wants to go afterwards."""
        return self.get_argument("return_to", "/")


class Events(Base):
    """Takes and lists events."""

    async def post(self) -> None:
        """Take an event and pass it on."""
        event = self.body()
        keep.note("event", event)
        keep.note_json("event", event)
        code = await deliver.hook(event["callback"], json.dumps(event))
        self.write({"code": code})

    async def get(self) -> None:
        """List events."""
        title = self.get_argument("title", "Events")
        found = await keep.in_state(self.get_argument("state", "new"))
        self.write(PAGE.generate(title=title, events=found))  # seeded: twin template-injection constant

    async def delete(self) -> None:
        """Remove events."""
        self.write({"gone": await keep.forget(self.get_argument("query"))})


class Narrow(Base):
    """Narrows the list."""

    async def post(self) -> None:
        """List what meets the filters."""
        keep.narrow(self.body())
        self.write({"events": await keep.matching()})


class Event(Base):
    """One event."""

    async def get(self, ident: str) -> None:
        """Show an event, or say that it is not there."""
        found = await keep.one(ident)
        if found is None:
            self.set_status(404)
            self.write("<p>No event " + tornado.escape.xhtml_escape(ident) + "</p>")  # seeded: twin xss sanitised
            return
        self.write({"state": found["state"]})


class Layout(Base):
    """A tenant's layout of the list."""

    async def post(self) -> None:
        """Show the list in a layout."""
        layout = tornado.template.Template(self.get_argument("layout"))  # seeded: flaw template-injection direct
        self.write(layout.generate(events=await keep.in_state("new")))


class Rules(Base):
    """Tries rules out."""

    async def post(self) -> None:
        """Apply rules to an event and show what comes out."""
        data = self.body()
        event = data["event"]
        for each in rules.load_with_tags(data["rules"]) if data.get("tags") else rules.load(data["rules"]):
            if rules.condition(each["when"])(event) or rules.comparison("n", ">", each.get("over", "0"))(event):
                event = rules.Transformation(each["then"]).apply(event)
        self.write({"event": event})


class Call(Base):
    """Passes an event to a function."""

    async def post(self) -> None:
        """Call a plug-in, or a function by its dotted name."""
        data = self.body()
        event = rules.restore_event(data["kept"]) if "kept" in data else data
        try:
            rules.plugin(data["plugin"]).send(event)
        except rules.Refused:
            rules.handler(data["plugin"])(event)
        self.write({"field": rules.getter(data.get("field", "id"))(event)})


class Search(Base):
    """Searches the events' texts."""

    async def get(self) -> None:
        """Show the events whose text is like an expression, with what was found marked."""
        text = "\n".join(str(each) for each in await keep.in_state("new"))
        expression = self.get_query_argument("like", "")
        self.set_header("Content-Type", "text/html")
        try:
            found = re.findall(expression, text)  # seeded: flaw regex-injection direct
        except re.error as error:
            self.finish(f"<p>{error} in {expression}</p>")  # seeded: flaw xss exception
            return
        if len(found) > 100:
            self.write("<p>The first hundred:</p>")
        for hit in found[:100]:
            self.write(html.escape(str(hit)) + "<br>")  # seeded: twin xss sanitised


class Send(Base):
    """Sends mails and lines."""

    async def post(self) -> None:
        """Send an event by one of the ways out."""
        to = self.get_argument("to")
        subject = self.request.arguments["subject"][0].decode()
        match self.get_argument("way"):
            case "mail":
                deliver.mail(to, subject, "An event has come.")
            case "summary":
                deliver.mail_summary(subject, "These events have come.")
            case "plain":
                deliver.mail_plain(subject, "An event has come.")
            case "printer":
                deliver.notify_printer(to, subject)
            case "clock":
                deliver.notify_clock(to)
            case "partner":
                await deliver.partner(to, subject)
        self.redirect(self.back_to())  # seeded: flaw open-redirect class


class Health(Base):
    """Whether others are there."""

    async def get(self) -> None:
        """Ask a tenant's server, one of ours, or the status server."""
        which = self.get_argument("which")
        if which == "tenant":
            self.write({"status": deliver.Tenant({"server": self.get_argument("server")}).probe()})
        elif which == "ours":
            self.write(deliver.ping(self.get_argument("server")))
        else:
            self.set_header("Content-Type", "text/plain")
            self.write(deliver.status_page(self.get_argument("server")))  # seeded: twin xss api


class SignIn(Base):
    """Signing in by a key."""

    async def post(self) -> None:
        """Give the owner of a key a cookie."""
        key = self.body().get("key")
        owner = await keep.owner_of(key)
        if owner is None:
            log.warning("unknown key of %d letters", len(str(key)))  # seeded: twin log-injection typed
            raise tornado.web.HTTPError(403)
        self.set_secure_cookie("owner", owner["name"], httponly=True, secure=True, samesite="Lax")  # seeded: twin insecure-cookie api
        self.set_cookie("csrf_seed", secrets.token_hex(16), secure=True, httponly=True, samesite="Strict")
        self.redirect("/events?" + tornado.escape.url_escape(owner["name"]))  # seeded: twin open-redirect constant


class Remember(Base):
    """Keeps a browser signed in."""

    def token(self) -> str:
        """Return a new token."""
        return secrets.token_urlsafe(24)

    async def post(self) -> None:
        """Give a browser a token that lasts."""
        token = self.token()
        await keep.database.tokens.insert_one({"token": token})
        self.set_cookie("remember", token, expires_days=90)  # seeded: flaw insecure-cookie class
        self.write({"ok": True})


def make_app() -> tornado.web.Application:
    """Return the application."""
    routes = [
        (r"/events", Events),
        (r"/events/([0-9a-z]+)", Event),
        (r"/narrow", Narrow),
        (r"/layout", Layout),
        (r"/rules", Rules),
        (r"/call", Call),
        (r"/search", Search),
        (r"/send", Send),
        (r"/health", Health),
        (r"/sign-in", SignIn),
        (r"/remember", Remember),
    ]
    return tornado.web.Application(routes, cookie_secret=os.environ["HOOKLINE_SECRET"])


async def main() -> None:
    """Serve until the process is stopped."""
    make_app().listen(8082)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
