"""The pieces of an index that mean what a question means: by a model's embeddings, each made once and kept on this machine."""

from ops.embeddings.alike import alike
from ops.embeddings.endpoint import Endpoint
from ops.embeddings.errors import EmbeddingsUnusable
from ops.embeddings.vectors import Vectors, default_path

__all__ = ["EmbeddingsUnusable", "Endpoint", "Vectors", "alike", "default_path"]
