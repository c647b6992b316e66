"""The notary's leaves beside those of the ledger as it is: they tell single entries apart, where checkpoints tell ranges."""

from collections.abc import Sequence

from bus.records import Record
from ops.proofs.claims import Claim
from ops.proofs.differences import Difference, explain
from ops.proofs.leaves import Leaves, split
from ops.proofs.problems import Problem

KEPT_DIFFERENCES = 256


class SignedLeaves:
    """The notary's leaves beside those of the ledger as it is."""

    def __init__(self, leaves: Leaves) -> None:
        self._leaves = leaves
        self.path = leaves.path
        self.found: list[Difference] = []
        """The first differences."""
        self.differing = 0
        self._same_after = False
        """Whether an entry behind the first difference is as it was signed."""

    def compare(self, start: int, leaves: list[bytes], run: Sequence[Record]) -> None:
        """Take in the ledger's leaves from `start` on, and their entries; none: they are gaps."""
        signed = self._leaves.read(start, start + len(leaves))
        if signed == b"".join(leaves):
            self._same_after = self._same_after or bool(self.found)
            return
        for index, (here, there) in enumerate(zip(leaves, split(signed), strict=False)):
            if here == there:
                self._same_after = self._same_after or bool(self.found)
                continue
            self.differing += 1
            if len(self.found) < KEPT_DIFFERENCES:
                self.found.append(Difference(start + index + 1, run[index] if run else None, there))

    def next(self, start: int, end: int) -> list[bytes]:
        """Return the leaves [start, end), as far as there are."""
        return list(split(self._leaves.read(start, end)))

    def explanation(self, failed: Claim) -> Problem | None:
        """Return what happened first, or None where these leaves do not tell it."""
        if not self.found or not self.are_signed(failed):
            return None
        return explain(self.found, everything_after=not self._same_after)

    def silence(self, failed: Claim) -> str:
        """Return in words why there is no explanation."""
        if self._leaves.size < failed.checkpoint.size:
            return f"; the notary's leaves {self.path} do not reach that far"
        if not self.found:
            return f"; the notary's leaves {self.path} agree with the ledger, and not with what was signed either"
        return f"; the notary's leaves {self.path} are not what was signed either"

    def are_signed(self, claim: Claim) -> bool:
        """Tell whether the leaves are those of a checkpoint's tree."""
        checkpoint = claim.checkpoint
        return checkpoint.size <= self._leaves.size and self._leaves.root(0, checkpoint.size) == checkpoint.root
