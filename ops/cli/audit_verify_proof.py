"""`sanctuary audit verify-proof`: what a proof's file shows, offline."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ops.cli.lines import line, plain
from ops.cli.options import json_option, print_json, run
from ops.cli.proving import log_key_option, read, refuted
from ops.cli.text import clean

if TYPE_CHECKING:
    from ops.proofs.claims import Claim, Keys
    from ops.proofs.proof_files import GrowthProof, TaskProof


@click.command(name="verify-proof")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@log_key_option
@json_option
def verify_proof(file: Path, *, keys: tuple[str, ...], as_json: bool) -> None:
    """Verify FILE, which `sanctuary audit proof` or `growth` wrote, with the log's public key alone; no server is asked.

    Exits with 0 where it proves what it says, with 3 where it proves nothing.
    """
    run(_verify(file, keys, as_json=as_json))


async def _verify(file: Path, given: tuple[str, ...], *, as_json: bool) -> int:
    from bus.merkle import ProofWrong
    from ops.proofs.claims import make_keys, read_key
    from ops.proofs.notes import NoteWrong
    from ops.proofs.proof_files import MAX_BYTES, TaskProof, parse_proof

    keys = make_keys(map(read_key, given))
    try:
        proof = parse_proof(read(file, MAX_BYTES))
        if isinstance(proof, TaskProof):
            _task(proof, keys, as_json=as_json)
        else:
            _growth(proof, keys, as_json=as_json)
    except (ProofWrong, NoteWrong) as error:
        return refuted(f"{file} proves nothing: {error.message}", as_json=as_json)
    return 0


def _task(proof: "TaskProof", keys: "Keys", *, as_json: bool) -> None:
    from ops.proofs.proof_files import verify_task

    shown = verify_task(proof, keys)
    _demand(keys, shown.claim)
    if as_json:
        print_json(
            {
                "holds": True,
                "realm": proof.realm,
                "task_id": proof.task_id,
                "checkpoint": _plain(shown.claim),
                "entries": [plain(entry) for entry in shown.entries],
            }
        )
        return
    click.echo(_words(shown.claim))
    click.echo(f"In it stand, of the task {clean(proof.task_id)} in the realm {clean(proof.realm)}:")
    for entry in shown.entries:
        click.echo(line(entry))


def _growth(proof: "GrowthProof", keys: "Keys", *, as_json: bool) -> None:
    from ops.proofs.proof_files import verify_growth

    old, new = verify_growth(proof, keys)
    _demand(keys, new)
    if as_json:
        print_json({"holds": True, "old": _plain(old), "new": _plain(new)})
        return
    click.echo(_words(new))
    click.echo(f"It begins with the {old.checkpoint.size} entries that were signed before: none of them was changed")


def _demand(keys: "Keys", claim: "Claim") -> None:
    """Raise where a witness did not sign whose key is given."""
    from bus.merkle import ProofWrong

    missing = [key.name for key in keys.witnesses if key.name not in claim.witnesses]
    if missing:
        raise ProofWrong(f"the checkpoint of {claim.checkpoint.size} entries is not cosigned by {', '.join(missing)}")


def _words(claim: "Claim") -> str:
    witnesses = f", witnessed by {', '.join(map(clean, claim.witnesses))}" if claim.witnesses else ""
    signed = click.style("✓ ", fg="green", bold=True)
    return f"{signed}{clean(claim.checkpoint.origin)} signed a ledger of {claim.checkpoint.size} entries{witnesses}"


def _plain(claim: "Claim") -> dict[str, object]:
    checkpoint = claim.checkpoint
    return {
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "witnesses": list(claim.witnesses),
    }
