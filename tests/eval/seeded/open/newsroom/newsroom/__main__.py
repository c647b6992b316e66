"""Serve the wire or the pages: `python -m newsroom wire`."""

import asyncio
import sys

from newsroom import pages, wire

if __name__ == "__main__":
    if "wire" in sys.argv[1:]:
        asyncio.run(wire.main())
    else:
        pages.main()
