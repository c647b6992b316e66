"""`sanctuary audit witness`: cosign a log's checkpoints, with a key of one's own, as long as its history goes on."""

import time
from pathlib import Path

import click

from ops.cli.options import json_option, print_json, run
from ops.cli.proving import log_key_option, output_option, read, refuted, write

_DIRECTORY = "witness"


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@log_key_option
@click.option(
    "-d",
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=_DIRECTORY,
    show_default=True,
    help="Where the witness keeps its key and what it saw.",
)
@click.option(
    "--name", metavar="NAME", help="Make a witness of this name, such as witness.example.org, where there is none yet."
)
@json_option
@output_option
def witness(
    file: Path, *, keys: tuple[str, ...], directory: Path, name: str | None, as_json: bool, output: Path | None
) -> None:
    """Cosign the checkpoint in FILE: that its ledger begins with the one that was cosigned before.

    FILE is the checkpoint where it is the first of its log, or the one that was cosigned last, again; else what `sanctuary audit
    growth` wrote. The cosigned checkpoint is written, and is evidence for `sanctuary audit verify --checkpoint`. Exits with 3
    where the history was forked; then nothing is signed.
    """
    run(_witness(file, keys, directory, name, as_json=as_json, output=output))


async def _witness(
    file: Path, given: tuple[str, ...], directory: Path, name: str | None, *, as_json: bool, output: Path | None
) -> int:
    from bus.merkle import ProofWrong
    from ops.proofs.checkpoint import parse_checkpoint
    from ops.proofs.claims import make_keys, read_key
    from ops.proofs.notes import NoteWrong
    from ops.proofs.proof_files import MAX_BYTES, TaskProof, parse_proof
    from ops.proofs.witness import HistoryForked, open_witness

    keys = make_keys(map(read_key, given))
    own = open_witness(directory, name)
    data = read(file, MAX_BYTES)
    try:
        shown = parse_proof(data) if data.lstrip()[:1] == b"{" else parse_checkpoint(data)
        if isinstance(shown, TaskProof):
            raise ValueError(
                f"{file} is the proof of a task: a witness looks at checkpoints and at the growth of a log"
            )
        signed = own.sign(shown, keys, int(time.time()))
    except HistoryForked as error:
        return refuted(error.message, as_json=as_json)
    except (ProofWrong, NoteWrong) as error:
        return refuted(f"{file} proves nothing, and nothing was signed: {error.message}", as_json=as_json)
    if output is not None or not as_json:
        write(str(signed).encode(), output)
    checkpoint = signed.checkpoint
    if as_json:
        print_json({"holds": True, "origin": checkpoint.origin, "size": checkpoint.size, "key": str(own.public)})
    else:
        click.echo(
            f"cosigned {checkpoint.origin} up to #{checkpoint.size}; it verifies with --key {own.public}", err=True
        )
    return 0
