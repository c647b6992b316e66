"""`sanctuary audit growth`: that the ledger of one checkpoint begins with that of an earlier one, as a file."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ops.cli.counting import counting
from ops.cli.options import archive_option, run, where_options
from ops.cli.proving import keys_option, leaves_option, output_option, read, refuted, unlike, write
from ops.cli.sources import open_ledger
from ops.connect import Where

if TYPE_CHECKING:
    from ops.archive.source import Source
    from ops.proofs.claims import Claim
    from ops.proofs.evidence import Evidence, Named


@click.command()
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="[NEW]", required=False)
@where_options
@archive_option
@keys_option
@leaves_option
@output_option
def growth(
    old: str,
    new: str | None,
    where: Where,
    *,
    archive: Path | None,
    keys: tuple[str, ...],
    leaves: Path | None,
    output: Path | None,
) -> None:
    """Write a file that proves that the ledger of the checkpoint NEW begins with that of OLD: nothing was changed between.

    Each is a checkpoint's file, or the number of entries that it is of; NEW is the newest one where it is left out. A witness
    asks for this: sanctuary audit witness FILE. Anybody verifies it, offline: sanctuary audit verify-proof FILE --key KEY
    """
    from ops.proofs.evidence import Named

    run(_growth(old, new, where, archive, Named(keys, (), leaves), output=output))


async def _growth(
    old: str, new: str | None, where: Where, archive: Path | None, named: "Named", *, output: Path | None
) -> int:
    from bus.merkle import ProofWrong
    from ops.proofs.evidence import gather
    from ops.proofs.making import checkpoint_over, tree
    from ops.proofs.proof_files import encode_proof, prove_growth

    evidence = gather(where, named)
    async with open_ledger(where, archive, "audit growth") as source:
        before = await _checkpoint(old, source, evidence)
        if new is None:
            after = await checkpoint_over(source, evidence.keys, evidence.claims, before.checkpoint.size)
        else:
            after = await _checkpoint(new, source, evidence)
        with counting("hashing") as progress:
            async with tree(source, evidence.leaves, after.checkpoint.size, progress) as root:
                try:
                    data = encode_proof(prove_growth(before.signed, after.signed, root))
                except ProofWrong as error:
                    return refuted(unlike(error.message), as_json=False)
    write(data, output)
    if output is not None:
        click.echo(
            f"wrote {output}: from {before.checkpoint.size} to {after.checkpoint.size} entries, {len(data):,} bytes"
        )
    return 0


async def _checkpoint(text: str, source: "Source", evidence: "Evidence") -> "Claim":
    """Return the checkpoint in a file, or the one of so many entries."""
    from ops.proofs.claims import believe
    from ops.proofs.making import checkpoint_of
    from ops.proofs.notes import MAX_BYTES

    if text.isascii() and text.isdecimal():
        return await checkpoint_of(source, evidence.keys, evidence.claims, int(text))
    return believe(text, read(Path(text), MAX_BYTES), evidence.keys)
