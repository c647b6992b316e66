"""What builds leave behind."""

import io
import shutil
import tarfile
import tempfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, UploadFile
from fastapi.responses import FileResponse

from app.settings import Settings, settings

router = APIRouter()
Config = Annotated[Settings, Depends(settings)]
LIMIT_BYTES = 200 * 1024 * 1024


def folder(run: UUID, config: Config) -> Path:
    """Dependency: the directory of a run."""
    path = config.artifacts / str(run)
    path.mkdir(exist_ok=True)
    return path


def inside(base: Path, name: str) -> Path:
    """A file below a directory; 404 where the name leads out of it."""
    path = (base / name).resolve()
    if not path.is_relative_to(base.resolve()):
        raise HTTPException(404)
    return path


def wanted_file(config: Config, project: str = "", name: str = "") -> Path:
    """Dependency: the file that the query names."""
    return config.artifacts / project / name


@router.get("/file")
async def file(path: Annotated[Path, Depends(wanted_file)]) -> FileResponse:
    """Download a file of a project."""
    return FileResponse(path)  # seeded: flaw path-traversal callback


@router.get("/{run}/file/{name:path}")
async def run_file(name: str, base: Annotated[Path, Depends(folder)]) -> FileResponse:
    """Download a file of a run."""
    return FileResponse(inside(base, name))  # seeded: twin path-traversal sanitised


@router.get("/{run}/log")
async def run_log(run: UUID, config: Config) -> FileResponse:
    """Download the log of a run."""
    return FileResponse(config.artifacts / f"{run}.log")  # seeded: twin path-traversal typed


@router.put("/{run}/note/{name}")
async def note(name: str, text: str, base: Annotated[Path, Depends(folder)]) -> None:
    """Leave a note with a run."""
    target = base / f"{Path(name).name}.txt"
    target.write_text(text)  # seeded: twin path-traversal sanitised


@router.post("/{run}/upload")
async def upload(archive: UploadFile, base: Annotated[Path, Depends(folder)]) -> list[str]:
    """Unpack what a build machine sends."""
    data = await archive.read(LIMIT_BYTES)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        names = tar.getnames()
        tar.extractall(base)  # seeded: flaw archive-extraction async
    return names


@router.post("/{run}/report")
async def report(archive: UploadFile, base: Annotated[Path, Depends(folder)]) -> list[str]:
    """Unpack a report, which is a few pages and pictures."""
    with zipfile.ZipFile(archive.file) as packed:
        members = packed.infolist()
        if sum(each.file_size for each in members) > LIMIT_BYTES:
            raise HTTPException(413)
        if any(".." in PurePosixPath(each.filename).parts or each.filename.startswith("/") for each in members):
            raise HTTPException(422)
        packed.extractall(base)  # seeded: twin archive-extraction sanitised
    return [each.filename for each in members]


@router.post("/{run}/coverage")
async def coverage(archive: UploadFile, base: Annotated[Path, Depends(folder)]) -> int:
    """Unpack a coverage report and say how many pages it has."""
    with tempfile.NamedTemporaryFile(suffix=".tar.gz") as copy:
        shutil.copyfileobj(archive.file, copy)
        copy.flush()
        shutil.unpack_archive(copy.name, base / "coverage")  # seeded: flaw archive-extraction async
    return len(list((base / "coverage").rglob("*.html")))
