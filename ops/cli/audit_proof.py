"""`sanctuary audit proof`: that the ledger holds a task and its result, as a file."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bus.errors import SanctuaryError
from ops.cli.counting import counting
from ops.cli.ids import check_id, no_such_task
from ops.cli.options import archive_option, run, where_options
from ops.cli.proving import keys_option, leaves_option, output_option, refuted, unlike, write
from ops.cli.sources import open_ledger
from ops.connect import Where

if TYPE_CHECKING:
    from ops.proofs.evidence import Named


@click.command()
@click.argument("task_id", metavar="ID")
@where_options
@archive_option
@keys_option
@click.option(
    "--checkpoint",
    "checkpoints",
    multiple=True,
    metavar="PATH",
    type=click.Path(path_type=Path, exists=True),
    help="The checkpoint to lead to, such as one that a witness cosigned, or a directory of them; default: the newest one.",
)
@leaves_option
@output_option
def proof(
    task_id: str,
    where: Where,
    *,
    archive: Path | None,
    keys: tuple[str, ...],
    checkpoints: tuple[Path, ...],
    leaves: Path | None,
    output: Path | None,
) -> None:
    """Write a file that proves what the ledger holds of the task ID: its assignment and its result.

    Anyone who has the log's public key verifies it, offline: sanctuary audit verify-proof FILE --key KEY
    """
    from ops.proofs.evidence import Named

    run(_proof(task_id, where, archive, Named(keys, checkpoints, leaves), output))


async def _proof(task_id: str, where: Where, archive: Path | None, named: "Named", output: Path | None) -> int:
    from bus.merkle import ProofWrong
    from ops.proofs.evidence import gather
    from ops.proofs.making import checkpoint_over, task_records, tree
    from ops.proofs.proof_files import encode_proof, prove_task

    check_id(task_id)
    evidence = gather(where, named)
    async with open_ledger(where, archive, "audit proof") as source:
        records = await task_records(source, task_id)
        if not records:
            raise SanctuaryError(no_such_task(task_id))
        claim = await checkpoint_over(source, evidence.keys, evidence.claims, max(each.sequence for each in records))
        with counting("hashing") as progress:
            async with tree(source, evidence.leaves, claim.checkpoint.size, progress) as root:
                try:
                    data = encode_proof(prove_task(where.realm, task_id, records, claim.signed, root))
                except ProofWrong as error:
                    return refuted(unlike(error.message), as_json=False)
    write(data, output)
    if output is not None:
        entries = " and ".join(f"#{record.sequence}" for record in records)
        click.echo(f"wrote {output}: {entries} in the tree of {claim.checkpoint.size} entries, {len(data):,} bytes")
    if not any(".result." in record.subject for record in records):
        click.echo("the task has no result yet: only its assignment is proved", err=True)
    return 0
