"""The job as it is sent to a guest: JSON, ASCII only, so that any text a model wrote survives."""

import json
import math

from sandbox.call import Call
from sandbox.limits import Limits


def encode_job(call: Call, *, token: bytes, limits: Limits, is_inspection: bool = False) -> bytes:
    """What `sandbox.guest.program.Job` reads."""
    fields = {
        "token": token.hex(),
        "program": call.program,
        "args": list(call.args),
        "is_inspection": is_inspection,
        "cpu_s": math.ceil(limits.cpu_s),
        "memory_bytes": limits.memory_mb << 20,
        "output_bytes": limits.output_bytes,
        "total_bytes": limits.total_bytes,
    }
    return json.dumps(fields).encode()
