"""The model's process: `python -m engine.policy.local LINK PARENT`, started by `LocalPolicy.open`.

LINK is the descriptor of a socket, PARENT the pid of the engine. Dies with it, at once if the
kernel can see to that, and between two steps otherwise.
"""

import ctypes
import os
import signal
import socket
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def main() -> None:
    """Serve the link."""
    link, parent = map(int, sys.argv[1:])
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        return  # it died before the kernel knew whom to tell
    from engine.policy.local.server import Server

    Server(socket.socket(fileno=link)).run()


if __name__ == "__main__":
    main()
