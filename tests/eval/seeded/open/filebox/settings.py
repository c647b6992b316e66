"""Where the box keeps what, and whom it talks to."""

import os
from pathlib import Path

ROOT = Path(os.environ.get("BOX_ROOT", "/srv/box")).resolve()
PUBLIC = ROOT / "public"
THUMBS = ROOT / "thumbs"
INCOMING = ROOT / "incoming"
MIRRORS = frozenset({"mirror-a.example.net", "mirror-b.example.net"})
SCANNER = "http://127.0.0.1:9000/scan"
LIMIT_BYTES = 50_000_000
FORMATS = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP"}
