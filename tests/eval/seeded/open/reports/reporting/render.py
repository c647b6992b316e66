"""How reports become text, pages and documents."""

import ast
import operator
import shlex
import string
import subprocess

from jinja2 import Environment, FileSystemLoader, Template, select_autoescape
from jinja2.sandbox import SandboxedEnvironment
from mako.template import Template as MakoTemplate

plain = Environment(loader=FileSystemLoader("templates"))
pages = Environment(loader=FileSystemLoader("templates"), autoescape=select_autoescape())
sandbox = SandboxedEnvironment(autoescape=True)

TITLE = "<h1>{{ title }}</h1><p>{{ total }}</p>"
FUNCTIONS = {"sum": sum, "max": max, "min": min, "count": len}
OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}


def subject(pattern: str, values: dict) -> str:
    """Return the subject of a report's mail, from the customer's pattern."""
    return Template(pattern).render(values)  # seeded: flaw template-injection cross-module


def heading(title: str, total: int) -> str:
    """Return a report's heading."""
    return pages.from_string(TITLE).render(title=title, total=total)  # seeded: twin template-injection constant


def custom(source: str, values: dict) -> str:
    """Return a report in the customer's own layout, which can reach nothing but the values."""
    return sandbox.from_string(source).render(values)  # seeded: twin template-injection api


def salutation(pattern: str, name: str) -> str:
    """Return a salutation; `$name` stands for the name."""
    return string.Template(pattern).safe_substitute(name=name)  # seeded: twin template-injection api


class Layout:
    """A layout that is kept and filled again and again."""

    def __init__(self, source: str) -> None:
        self._template = MakoTemplate(source)  # seeded: flaw template-injection class

    def fill(self, **values) -> str:
        """Return the filled layout."""
        return self._template.render(**values)


def pdf(title: str, page: str) -> bytes:
    """Return a page as PDF."""
    command = "wkhtmltopdf --quiet --title '{}' - -".format(title)
    return subprocess.run(command, shell=True, input=page.encode(), capture_output=True, check=True).stdout  # seeded: flaw command-injection container


def odt(title: str, page: str) -> bytes:
    """Return a page as a text document."""
    command = "pandoc -f html -t odt -M title=" + shlex.quote(title)
    return subprocess.run(command, shell=True, input=page.encode(), capture_output=True, check=True).stdout  # seeded: twin command-injection sanitised


def epub(title: str, page: str) -> bytes:
    """Return a page as a book."""
    command = ["pandoc", "-f", "html", "-t", "epub", f"--metadata=title:{title}"]
    return subprocess.run(command, input=page.encode(), capture_output=True, check=True).stdout  # seeded: twin command-injection api


def column(expression: str, row: dict):
    """Return what a computed column holds in a row."""
    return eval(expression, {}, dict(row))  # seeded: flaw code-injection callback


def constant(text: str):
    """Return a number, text or list that was written down."""
    return ast.literal_eval(text)  # seeded: twin code-injection api


def aggregate(name: str, values: list):
    """Return the values' sum or whatever else is asked for."""
    if name not in FUNCTIONS:
        raise KeyError(name)
    return eval(f"{name}(values)", {"values": values, **FUNCTIONS})  # seeded: twin code-injection allow-list


def arithmetic(text: str) -> int:
    """Return the value of a sum or a product of numbers."""

    def value(node):
        match node:
            case ast.Constant(value=int(number)):
                return number
            case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
                return OPERATORS[type(op)](value(left), value(right))
        raise ValueError(text)

    return value(ast.parse(text, mode="eval").body)  # seeded: twin code-injection api
