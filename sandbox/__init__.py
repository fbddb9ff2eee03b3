"""Runs one program call in isolation; knows nothing of models; usable alone.

Theory of operation. Three kinds of processes, each with less than the one before:

    host     this process. Holds the clocks, the pidfds, the expected answers; judges. Never
             parses, evaluates or unpickles what a program or its author wrote.
    zygote   a fresh, small interpreter, several of them, each with a hash seed and an address
             layout of its own. It jails itself once (namespaces, empty root, no privileges,
             Landlock), then only forks. It never reads a program.
    guest    a fork of a zygote, one per call. It limits itself (rlimits, seccomp), and only then
             looks at the program: parses, compiles and calls it, writes one canonical value, ends.

The host gives each guest a socket of its own through the zygote. What comes over the socket is a
claim about a value; how the call ended is what the zygote, its parent, has from the kernel.
docs/threat-model.md says what this does not cover.
"""

from sandbox.audit import Agreement, Finding, Inconclusive, Mismatch, audit, compare
from sandbox.blocking import BlockingSandbox
from sandbox.call import NO_ERROR, Call, Cost, Outcome
from sandbox.certify import Certificate, Rejection, certify
from sandbox.equality import equal
from sandbox.errors import SandboxError, SandboxUnavailable
from sandbox.inspection import Inspection
from sandbox.limits import Limits
from sandbox.pool import Sandbox
from sandbox.script import Script, ScriptOutcome
from sandbox.spelling import spell
from sandbox.status import Status
from sandbox.value import ValueFormatError, decode, render
from sandbox.verdict import Verdict

__all__ = [
    "NO_ERROR",
    "Agreement",
    "BlockingSandbox",
    "Call",
    "Certificate",
    "Cost",
    "Finding",
    "Inconclusive",
    "Inspection",
    "Limits",
    "Mismatch",
    "Outcome",
    "Rejection",
    "Sandbox",
    "SandboxError",
    "SandboxUnavailable",
    "Script",
    "ScriptOutcome",
    "Status",
    "ValueFormatError",
    "Verdict",
    "audit",
    "certify",
    "compare",
    "decode",
    "equal",
    "render",
    "spell",
]
