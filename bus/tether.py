"""Become another program that ends when its parent does: `python tether.py PARENT_PID PROGRAM ARGUMENT...`.

Run as a script, with nothing of the project imported: it is between fork and exec that the kernel has to be asked, and
Python's own hook for that moment is unsafe in a process with threads. Where the kernel has no such request (it is Linux's
PR_SET_PDEATHSIG, prctl(2)), the program starts untethered.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask the kernel, then exec."""
    parent, program = int(sys.argv[1]), sys.argv[2]
    if sys.platform == "linux":
        # SIGTERM rather than SIGKILL: a server whose starter died still writes its state out.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the kernel was asked
            sys.exit(1)
    os.execv(program, sys.argv[2:])  # noqa: S606  no shell wanted: this process becomes the server


if __name__ == "__main__":
    main()
