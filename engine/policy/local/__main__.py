"""The model's process: `python -m engine.policy.local LINK PARENT`, started by `LocalPolicy.open`.

LINK is the descriptor of a socket, PARENT the pid of the engine, with which it dies.
"""

import socket
import sys

from engine.policy.bound import die_with


def main() -> None:
    """Serve the link."""
    link, parent = map(int, sys.argv[1:])
    if not die_with(parent):
        return
    from engine.policy.local.server import Server

    Server(socket.socket(fileno=link)).run()


if __name__ == "__main__":
    main()
