"""What the handlers have in common."""

import logging

from tornado.escape import xhtml_escape
from tornado.web import RequestHandler

log = logging.getLogger("bot")


class Base(RequestHandler):
    """Pages in the bot's style."""

    def page(self, title: str, body: str) -> None:
        """Answer with a page; the title is text, the body HTML."""
        self.write(f"<title>{xhtml_escape(title)}</title>")  # seeded: twin xss sanitised
        self.set_header("X-Title", title[:80])  # seeded: twin header-injection api
        self.write("<main>")

        self.finish(body + "</main>")  # seeded: flaw xss inheritance

    def refuse(self, reason: str) -> None:
        """Answer that something cannot be done."""
        log.info("refused: " + reason)  # seeded: flaw log-injection inheritance
        self.set_status(400)
        self.finish({"reason": reason})  # seeded: twin xss api

    def note(self, event: str, *, size: int = 0) -> None:
        """Note an event."""
        log.info("%s of %d bytes", event.translate({10: " ", 13: " "}), size)  # seeded: twin log-injection sanitised
