"""Starts processes that hold leases, one a line of standard input.

    {"root": DIRECTORY, "version": 3, "owner": "engine-0"}

For each a process is forked, which takes the lease and then does nothing until it is killed; the
answer is a line with its pid and whether it got the lease. At the end of input all are killed.
"""

import json
import os
import signal
import sys
from pathlib import Path

from engine.wire import WireError, lease


def hold(request, answer):
    try:
        lease(Path(request["root"]), request["version"], request["owner"])
        got = True
    except WireError:
        got = False
    os.write(answer, json.dumps({"pid": os.getpid(), "got": got}).encode() + b"\n")
    while True:
        signal.pause()


def main():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the killed leave no zombies
    pids = []
    for line in sys.stdin:
        pids.append(os.fork())
        if pids[-1] == 0:
            hold(json.loads(line), sys.stdout.fileno())
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


if __name__ == "__main__":
    main()
