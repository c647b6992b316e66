"""Start a program in a network of its own that holds nothing but its loopback interface. Linux, standard library only.

    python offline_exec.py PROGRAM [argument …]

The program takes this process's place, so its process id, its signals and its exit status are its own. Status 126: this
machine does not let us.
"""

import ctypes
import fcntl
import os
import socket
import struct
import sys
from pathlib import Path

# linux/sched.h, linux/sockios.h, linux/if.h
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1
_NOT_ALLOWED = 126


def main() -> None:
    """Leave the network, and become the program."""
    try:
        _leave_the_network()
        request = struct.pack("16sh14x", b"lo", _IFF_UP)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            fcntl.ioctl(any_socket, _SIOCSIFFLAGS, request)
    except (OSError, AttributeError) as error:
        sys.stderr.write(f"no network of its own: {error}\n")
        sys.exit(_NOT_ALLOWED)
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 -- no shell is wanted


def _leave_the_network() -> None:
    """As root at once; anyone else gains the right to it in a user namespace, in which the user stays who it is."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    if libc.unshare(_CLONE_NEWNET) == 0:
        return
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    # user_namespaces(7): a group may be mapped only once setgroups is given up
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")


if __name__ == "__main__":
    main()
