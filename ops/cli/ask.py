"""`sanctuary ask`: passages of a project, its past tasks and the ledger's decisions that answer a question."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ops.cli.options import FAILED, fail, json_option, print_json, run, where_options
from ops.connect import Where

if TYPE_CHECKING:
    from clones.engines.contract import NotAnalysed
    from clones.engines.knowledge.index import Entry
    from clones.engines.knowledge.search import Passage

MAX_LINE = 160


@click.command()
@click.argument("question")
@click.option(
    "-t",
    "--target",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=".",
    help="The project's directory; default: here.",
)
@click.option("-n", "--limit", type=click.IntRange(1, 100), default=5, show_default=True, help="Answers at most.")
@click.option(
    "--embeddings",
    metavar="MODEL",
    envvar="SANCTUARY_EMBEDDINGS",
    show_envvar=True,
    help="Find passages by their meaning too, as this model behind OpenAI's API tells it (OPENAI_BASE_URL, OPENAI_API_KEY). "
    "It is sent what is searched. Needs the extra embeddings.",
)
@json_option
@where_options
def ask(question: str, target: Path, limit: int, *, embeddings: str | None, as_json: bool, where: Where) -> None:
    """Answer QUESTION with passages: of the project's code and documents, of past tasks' results and decisions.

    What the network remembers is searched where one answers; the project is read here and now, and not changed. Exits with 1
    where nothing says anything about it; with --embeddings there is nearly always something, however far from it.
    """
    run(_ask(question, target, limit, embeddings, as_json=as_json, where=where))


async def _ask(question: str, target: Path, limit: int, embeddings: str | None, *, as_json: bool, where: Where) -> int:
    import asyncio
    from tempfile import TemporaryDirectory

    from clones.engines.knowledge import index
    from clones.engines.knowledge.search import search, words_of

    if not (words := words_of(question)):
        fail("the question has no words to look for: sanctuary ask 'where are sessions stored'", status=2)
    remembered, silent = await _remembered(where)
    with TemporaryDirectory(prefix="sanctuary-ask-") as scratch:
        path = Path(scratch, index.FILE)
        left_out = await asyncio.to_thread(_index, path, target, remembered)
        alike = await _alike(path, question, embeddings) if embeddings else None
        answers = await asyncio.to_thread(search, path, question, limit, alike)
    if as_json:
        print_json(
            {
                "question": question,
                "words": words,
                "answers": [_plain(each) for each in answers],
                "network": silent is None,
                "not_searched": left_out,
            }
        )
        return 0 if answers else FAILED
    if silent:
        click.echo(f"Only files are searched: {silent.partition('. ')[0]}", err=True)
    for number, answer in enumerate(answers):
        if number:
            click.echo()
        _print(answer)
    if not answers:
        click.echo(f"Nothing says anything about {', '.join(words)}. Ask in other words, or name a --target.", err=True)
    return 0 if answers else FAILED


async def _remembered(where: Where) -> "tuple[list[Entry], str | None]":
    """Return what the network remembers, or why it says nothing; where the user named one, that ends the command."""
    import logging

    from bus.errors import SanctuaryError
    from ops.remembered import pieces

    # what cannot be reached is told in one line below
    logging.getLogger("bus").setLevel(logging.CRITICAL)
    try:
        async with where.open("ask") as network:
            return await pieces(network), None
    except SanctuaryError as error:
        if where.server or where.context:
            raise
        return [], error.message


def _index(path: Path, target: Path, remembered: "list[Entry]") -> "list[NotAnalysed]":
    from itertools import chain

    from clones.engines.knowledge import index, project

    read = project.read(target)
    index.write(path, chain(read.entries, remembered))
    return read.left_out


async def _alike(path: Path, question: str, model: str) -> dict[int, int]:
    """Return the pieces that mean what the question means; how far it is stands on a terminal's standard error."""
    from rich.console import Console
    from rich.progress import Progress

    from ops.embeddings import Endpoint, Vectors, alike, default_path

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("Embedding", visible=False)
        async with Endpoint(model) as endpoint:
            with Vectors(default_path(), endpoint.key) as vectors:
                return await alike(
                    path,
                    question,
                    endpoint,
                    vectors,
                    lambda done, total: progress.update(bar, completed=done, total=total, visible=True),
                )


def _location(answer: "Passage") -> str:
    from ops.remembered import DECISION, RESULT

    if answer.kind == RESULT:
        return f"task {answer.file}"
    return f"ledger #{answer.piece_line}" if answer.kind == DECISION else f"{answer.file}:{answer.line}"


def _command(answer: "Passage") -> str | None:
    """Return how the whole of what the network remembers is shown."""
    from ops.hints import command_line
    from ops.remembered import DECISION, RESULT

    if answer.kind == RESULT:
        return command_line("task show", answer.file)
    number = str(answer.piece_line)
    return command_line(f"audit tail --no-follow --from {number}") if answer.kind == DECISION else None


def _plain(answer: "Passage") -> dict[str, Any]:
    from ops.remembered import DECISION, RESULT

    of_file = answer.kind not in (RESULT, DECISION)
    return {
        "kind": answer.kind,
        "name": answer.name,
        "location": _location(answer),
        "file": answer.file if of_file else None,
        "line": answer.line if of_file else None,
        "text": answer.text,
        "score": answer.score,
        "command": _command(answer),
    }


def _print(answer: "Passage") -> None:
    from ops.cli.text import clean, shortened

    location = click.style(clean(_location(answer)), fg="cyan", bold=True)
    click.echo(f"{location}  {click.style(answer.kind, fg='bright_black')} {clean(answer.name)}")
    for line in answer.text.splitlines():
        indent = min(len(line) - len(line.lstrip()), 24)
        click.echo(f"    {' ' * indent}{shortened(line, MAX_LINE)}".rstrip())
    if command := _command(answer):
        click.echo(click.style(f"    {command}", fg="bright_black"))
