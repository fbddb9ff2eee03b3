"""The one word for why a call ended."""

from enum import StrEnum


class Verdict(StrEnum):
    """Why a call ended. Every call gets exactly one."""

    OK = "ok"  # every value has a canonical form
    RAISED = "raised"  # the program raised
    TIMEOUT = "timeout"  # wall or CPU budget spent
    MEMORY = "memory"  # memory budget spent
    OUTPUT = "output"  # a value over a size limit
    FORBIDDEN = "forbidden"  # a refused system call, path or import
    UNENCODABLE = "unencodable"  # a value that is no tree of plain types
    CRASHED = "crashed"  # ended without a claim, or by a signal not ours
    INVALID = "invalid"  # no program: syntax, no f, arguments no literals
    NONDETERMINISTIC = "nondeterministic"  # two honest runs differ (certify says so)
    LOST = "lost"  # our fault: the worker vanished; never scored
