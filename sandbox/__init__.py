"""Runs one program call in isolation; knows nothing of models; usable alone."""

from sandbox.call import Call, Cost, Outcome
from sandbox.certify import Certificate, Rejection, certify
from sandbox.errors import SandboxError, SandboxUnavailable
from sandbox.inspection import Inspection
from sandbox.limits import Limits
from sandbox.pool import Sandbox
from sandbox.spelling import spell
from sandbox.status import Status
from sandbox.value import ValueFormatError, decode, render
from sandbox.verdict import Verdict

__all__ = [
    "Call",
    "Certificate",
    "Cost",
    "Inspection",
    "Limits",
    "Outcome",
    "Rejection",
    "Sandbox",
    "SandboxError",
    "SandboxUnavailable",
    "Status",
    "ValueFormatError",
    "Verdict",
    "certify",
    "decode",
    "render",
    "spell",
]
