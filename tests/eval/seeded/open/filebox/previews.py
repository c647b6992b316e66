"""Pictures of files, made by programs."""

import asyncio
import os
import shlex
import subprocess

from settings import FORMATS, ROOT, THUMBS


def size_of(query) -> str:
    """Return the wanted size as the converter writes it."""
    return f"{query.get('w', '200')}x{query.get('h', '200')}"


async def thumbnail(name: str, size: str) -> bytes:
    """Return a small picture of a file."""
    source = shlex.quote(str(ROOT / os.path.basename(name)))
    line = f"convert {source} -resize {size} png:-"
    process = await asyncio.create_subprocess_shell(line, stdout=asyncio.subprocess.PIPE)  # seeded: flaw command-injection cross-module
    out, _ = await process.communicate()
    return out


async def first_page(name: str) -> bytes:
    """Return the first page of a document as a picture."""
    where = str(ROOT / os.path.basename(name))
    process = await asyncio.create_subprocess_exec(  # seeded: twin command-injection api
        "pdftoppm", "-png", "-l", "1", "--", where, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    return out


def word_count(name: str) -> int:
    """Count the words of a text file."""
    where = shlex.quote(str(ROOT / "texts" / os.path.basename(name)))
    counted = subprocess.run(f"wc -w < {where}", shell=True, capture_output=True, text=True, check=False)  # seeded: twin command-injection sanitised
    return int(counted.stdout or 0)


def convert(name: str, wanted: str) -> None:
    """Convert a picture into another format, quietly."""
    chosen = FORMATS.get(wanted)
    if chosen is None:
        raise KeyError(wanted)
    os.system(f"mogrify -format {chosen} {THUMBS}/*.tmp")  # seeded: twin command-injection allow-list


def rotate(name: str, degrees: str) -> None:
    """Turn a picture."""
    turned = int(degrees) % 360
    subprocess.call(f"mogrify -rotate {turned} {THUMBS}/current.png", shell=True)  # seeded: twin command-injection typed


JOBS = []


def enqueue(job: dict) -> None:
    """Keep a job until the worker comes round."""
    JOBS.append(job)


def work() -> int:
    """Do what has been kept; return how many jobs that were."""
    done = 0
    while JOBS:
        job = JOBS.pop(0)
        os.popen("exiftool -overwrite_original -Comment='" + job["comment"] + "' " + job["file"]).close()  # seeded: flaw command-injection global
        done += 1
    return done
