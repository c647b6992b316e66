"""Filling in a template, as Markdown. Pure but for reading the template.

Templates are Jinja's, run in its sandbox: they read what they are given and nothing else. What they are given comes from
results, and so from strangers; every value that is printed is escaped as one line of Markdown prose, unless a filter wrote it:
`code` (a code span) or `block` (a fenced block).
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, UndefinedError
from jinja2.exceptions import SecurityError, TemplateRuntimeError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from clones.engines import markdown
from clones.workflows.problems import did_you_mean

SHIPPED = Path(__file__).with_name("templates")
SUFFIX = ".md.j2"
MAX_TEMPLATE_BYTES = 1024 * 1024


class TemplateUnusable(ValueError):
    """A template that is not there or cannot be filled in, told for who wrote it."""


class _Written(str):
    """Markdown already."""

    __slots__ = ()


def names() -> list[str]:
    """Return the templates that come with Sanctuary."""
    return sorted(path.name.removesuffix(SUFFIX) for path in SHIPPED.glob(f"*{SUFFIX}"))


def load(template: str) -> tuple[str, str]:
    """Return a template's name for messages and its text: one of ours by its name, else a file.

    Raises:
        TemplateUnusable: there is none.
    """
    known = names()
    path = SHIPPED / f"{template}{SUFFIX}" if template in known else Path(template)
    try:
        if path.stat().st_size > MAX_TEMPLATE_BYTES:
            raise TemplateUnusable(f"{template}: larger than {MAX_TEMPLATE_BYTES} bytes")
        return (template if template in known else path.name), path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise TemplateUnusable(f"{template}: is not UTF-8") from None
    except OSError as error:
        near = did_you_mean(template, known)
        raise TemplateUnusable(
            f"{template!r} is neither a template ({', '.join(known)}) nor a file that can be read "
            f"({error.strerror}){near}"
        ) from None


def render(name: str, text: str, facts: Mapping[str, Any]) -> str:
    """Return the template filled in.

    Raises:
        TemplateUnusable: with the line, and what is wrong there.
    """
    environment = ImmutableSandboxedEnvironment(
        autoescape=False,  # Markdown, not HTML: `finalize` escapes
        finalize=_prose,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = lambda value: _Written(markdown.code(str(value)))
    environment.filters["block"] = lambda value: _Written(markdown.fence(str(value)))
    try:
        filled = environment.from_string(text).render(facts)
    except TemplateSyntaxError as error:
        raise TemplateUnusable(f"{name}, line {error.lineno}: {error.message}") from None
    except UndefinedError as error:
        raise TemplateUnusable(f"{name}{_line(error)}: {error.message}; there are {', '.join(sorted(facts))}") from None
    except SecurityError as error:
        raise TemplateUnusable(
            f"{name}{_line(error)}: {error.message}; templates only read what they are given"
        ) from None
    except MemoryError:
        raise TemplateUnusable(f"{name}: there is not the memory for what it makes") from None
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
        TemplateRuntimeError,
    ) as error:
        raise TemplateUnusable(f"{name}{_line(error)}: {error}") from None
    return re.sub(r"\n{3,}", "\n\n", filled).strip() + "\n"


def _prose(value: Any) -> Any:
    if isinstance(value, _Written | StrictUndefined):
        return value
    text = "" if value is None else str(value)
    # a template may put words and a value together: " of " ~ target
    return f"{' ' if text[:1] == ' ' else ''}{markdown.line(text)}"


def _line(error: BaseException) -> str:
    """Return where in the template an error arose: Jinja's frames have the template's own lines."""
    found, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            found = trace.tb_lineno
        trace = trace.tb_next
    return f", line {found}" if found else ""
