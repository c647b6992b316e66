"""Our proofs, keys and checkpoints are read by Go's own packages for transparency logs, which know nothing of Sanctuary."""

import json
import subprocess
from pathlib import Path

import pytest

from bus.merkle import root_of
from ops.proofs.checkpoint import cosign, parse_checkpoint
from ops.proofs.proof_files import GrowthProof, TaskProof, encode_proof, prove_growth, prove_task
from tests.interop.peers import GO_PROVE, run
from tests.ops.proofs.ledgers import LOG, REALM, WITNESS, leaves, records, signed

SIZES = (1, 2, 3, 7, 8, 9, 31, 33)
LEDGER = records(max(SIZES))
LEAVES = leaves(LEDGER, max(SIZES))


def root(start: int, end: int) -> bytes:
    return root_of(LEAVES[start:end])


def written(directory: Path, proof: TaskProof | GrowthProof) -> Path:
    path = directory / "proof"
    path.write_bytes(encode_proof(proof))
    return path


@pytest.mark.parametrize("size", SIZES)
def test_a_task_s_proof_verifies(size: int, tmp_path: Path) -> None:
    # What a witness adds does not disturb who does not know it.
    checkpoint = cosign(parse_checkpoint(signed(LEDGER, size)), WITNESS, 1_790_000_000)
    entries = [LEDGER[0], LEDGER[size // 2], LEDGER[size - 1]]
    file = written(tmp_path, prove_task(REALM, "task", entries, checkpoint, root))
    told = run([GO_PROVE, str(LOG.public), file]).decode().splitlines()
    assert told == [f"{entry.sequence} {size}" for entry in entries]


@pytest.mark.parametrize("size", SIZES)
def test_a_growth_s_proof_verifies(size: int, tmp_path: Path) -> None:
    old, new = (parse_checkpoint(signed(LEDGER, each)) for each in (size, max(SIZES)))
    file = written(tmp_path, prove_growth(old, new, root))
    assert run([GO_PROVE, str(LOG.public), file]).decode() == f"{size} {max(SIZES)}\n"


def test_what_was_changed_does_not(tmp_path: Path) -> None:
    file = written(tmp_path, prove_task(REALM, "task", [LEDGER[4]], parse_checkpoint(signed(LEDGER, 9)), root))
    proof = json.loads(file.read_bytes())
    for field, value in (("sequence", 6), ("record", "AAAA"), ("path", proof["entries"][0]["path"][::-1])):
        changed = {**proof, "entries": [{**proof["entries"][0], field: value}]}
        file.write_text(json.dumps(changed))
        ended = subprocess.run([GO_PROVE, str(LOG.public), file], capture_output=True, check=False)
        assert ended.returncode != 0, field
