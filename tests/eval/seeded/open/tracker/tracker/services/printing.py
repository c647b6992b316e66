import asyncio
import os
import shlex
from pathlib import Path

LABELS = Path("/var/lib/tracker/labels")
PRINTERS = ("front", "back")


async def print_label(printer: str, path: str) -> int:
    process = await asyncio.create_subprocess_shell(f"lp -d {printer} {path}")  # seeded: flaw command-injection async
    return await process.wait()


async def print_label_exec(printer: str, path: str) -> int:
    process = await asyncio.create_subprocess_exec("lp", "-d", printer, "--", path)  # seeded: twin command-injection api
    return await process.wait()


async def print_quoted(printer: str, path: str) -> int:
    line = " ".join(shlex.quote(part) for part in ("lp", "-d", printer, path))
    process = await asyncio.create_subprocess_shell(line)  # seeded: twin command-injection sanitised
    return await process.wait()


def cancel(job: str) -> int:
    if not job.isdigit():
        return 1
    return os.system("cancel " + job)  # seeded: twin command-injection sanitised


class Store:
    def __init__(self, root: Path = LABELS):
        self.root = root

    def read(self, name: str) -> bytes:
        return (self.root / name).read_bytes()  # seeded: flaw path-traversal class

    def read_inside(self, name: str) -> bytes:
        path = (self.root / name).resolve()
        path.relative_to(self.root.resolve())
        return path.read_bytes()  # seeded: twin path-traversal sanitised

    def write(self, name: str, data: bytes) -> Path:
        path = self.root / Path(name).name
        path.write_bytes(data)  # seeded: twin path-traversal sanitised
        return path
