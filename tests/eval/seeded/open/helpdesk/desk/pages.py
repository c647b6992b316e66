"""The few pages that are put together here and not by a template file."""

import html

from markupsafe import Markup

HEAD = "<!doctype html><title>Help desk</title><link rel=stylesheet href=/static/desk.css>"


def page(body: str) -> str:
    """Wrap a body into the desk's page."""
    return f"{HEAD}<main>{body}</main>"


def empty_result(words: str) -> str:
    """Return what is shown where a search finds nothing."""
    return page("<p>Nothing found for <em>" + words + "</em>.</p>")


def greeting(name: str) -> str:
    """Return the greeting of a signed-in customer."""
    return page(f"<p>Welcome back, {html.escape(name)}.</p>")


def ticket_rows(found) -> str:
    """Return a table's rows; subjects are the customers' words."""
    return "".join(f"<tr><td>{row['id']}<td>{html.escape(row['subject'])}" for row in found)


def badge(label: str) -> Markup:
    """Return a label as a badge; `Markup.format` escapes what it is given."""
    return Markup('<span class="badge">{}</span>').format(label)


class Signature:
    """How an agent signs answers: a line of HTML below each of them."""

    def __init__(self, agent: str, motto: str) -> None:
        self.agent = agent
        self.motto = motto

    def __html__(self) -> str:
        return f"<footer>{html.escape(self.agent)}<br><i>{self.motto}</i></footer>"
