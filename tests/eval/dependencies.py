"""Beta's scanner of dependencies: versions that published advisories mean, and versions just beside them."""

import datetime as dt
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clones.engines.security.osv import database, importing
from clones.engines.security.osv import scan as osv
from clones.engines.security.scope import survey
from tests.eval.knots import counted, write
from tests.eval.outcome import Part, Row, Told, flawless

OURS = "osv"
ADVISORIES = Path(__file__).parents[1] / "clones" / "engines" / "security" / "osv" / "advisories.json"
"""Real ones, shortened."""
FLAWED = (
    *("requests==2.19.1", "requests==2.30.0", "Jinja2==2.10", "PyYAML==5.3.1", "urllib3==1.26.16", "urllib3==2.0.0"),
    *("urllib3==2.0.5", "Flask==2.2.4", "flask==2.3.1", "Django==2.2.27", "django==3.2.12", "django==4.0.3"),
    *("urllib3==2.0.6rc1", "requests[socks]==2.19.1", "pyyaml==5.4b1"),
)
SOUND = (
    *("requests==2.31.0", "Jinja2==2.10.1", "PyYAML==5.4", "urllib3==1.26.17", "urllib3==2.0.6", "Flask==2.2.5"),
    *("flask==2.3.2", "Django==2.2.28", "django==2.1.15", "django==3.2.13", "django==4.0.4", "requests-mock==1.5.0"),
    *("urllib3==1.26.17.post1", "jinja2-time==0.2.0", "django==10.0"),
)


def measure(tell: Told) -> Part:
    """Scan a target that names each of the versions in a file of its own."""
    tell("versions just in and just outside of what advisories mean")
    with tempfile.TemporaryDirectory(prefix="sanctuary-eval-") as name:
        target, copy = Path(name) / "target", Path(name) / "copy"
        copy.mkdir()
        files = {f"{number:02}/requirements.txt": pin for number, pin in enumerate((*FLAWED, *SOUND))}
        write(target, {file: f"{pin}\n" for file, pin in files.items()})
        with _advisories(Path(name)):
            scan = osv.scan(copy, survey(target, copy), lambda _: None)
    named = {files[each.path] for each in scan.results}
    row = Row(
        material="pinned versions",
        engine=OURS,
        score=counted(named, FLAWED, SOUND),
        seconds=scan.duration_s,
    )
    return Part(
        name="dependencies",
        title="versions that published advisories mean, and their neighbours that are sound",
        rows=(row,),
        verdicts=(flawless([row], OURS, "flawed versions"),),
        wrong=(
            *(f"missed: {pin}" for pin in FLAWED if pin not in named),
            *(f"false: {pin}" for pin in SOUND if pin in named),
        ),
    )


@contextmanager
def _advisories(scratch: Path) -> Iterator[None]:
    """Have the scanner find a database of `ADVISORIES`, and not the one of who runs this."""
    before = os.environ.get("XDG_DATA_HOME")
    os.environ["XDG_DATA_HOME"] = str(scratch / "data")
    try:
        with zipfile.ZipFile(scratch / "all.zip", "w") as dump:
            for record in json.loads(ADVISORIES.read_text()):
                dump.writestr(f"{record['id']}.json", json.dumps(record))
        importing.update(scratch / "all.zip", database.path(), dt.datetime.now(dt.UTC))
        yield
    finally:
        os.environ.pop("XDG_DATA_HOME")
        if before is not None:
            os.environ["XDG_DATA_HOME"] = before
