"""A child that does not outlive its parent, whatever kills that.

    python -m engine.policy.bound PARENT COMMAND ...

runs a command so, in the child's own place: the kernel kills it when the process PARENT ends.
"""

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def die_with(parent: int) -> bool:
    """Have the kernel kill this process when its parent ends; False if that has ended already."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    return os.getppid() == parent  # else it died before the kernel knew whom to tell


if __name__ == "__main__" and die_with(int(sys.argv[1])):
    os.execvp(sys.argv[2], sys.argv[2:])
