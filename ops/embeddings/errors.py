"""What can go wrong with embeddings."""

from bus.errors import SanctuaryError


class EmbeddingsUnusable(SanctuaryError):
    """No embeddings can be had; the message says where, why and what to do."""
