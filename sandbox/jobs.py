"""From a request and its limits to the job that a guest is sent."""

import math

from sandbox.call import Call
from sandbox.guest.job import Job, JobKind
from sandbox.limits import Limits
from sandbox.script import Script


def encode_job(
    request: Call | Script, *, token: bytes, limits: Limits, kind: JobKind | None = None
) -> bytes:
    """What `sandbox.guest.job.Job.unpack` reads; a `kind` asks for another thing than a run."""
    usual, texts = _request(request)
    return Job(
        token=token,
        kind=usual if kind is None else kind,
        texts=texts,
        cpu_s=math.ceil(limits.cpu_s),
        threads=limits.threads,
        memory_bytes=limits.memory_mb << 20,
        output_bytes=limits.output_bytes,
        total_bytes=limits.total_bytes,
    ).pack()


def _request(request: Call | Script) -> tuple[JobKind, list[str]]:
    if isinstance(request, Script):
        return JobKind.SCRIPT, [request.source, request.stdin]
    if request.program is None:
        return JobKind.READ, list(request.args)
    kind = JobKind.NAME if request.names_errors else JobKind.CALL
    return kind, [request.program, *request.args]
