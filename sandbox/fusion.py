"""`POST /run_code` in SandboxFusion's shape: what a request means, what a response says; pure.

Clients of that service (verl, tinker-cookbook, SkyRL recipes and others) send one JSON object and
read one back. The fields, their types and their defaults are those of the published schema, and
what does not fit gets its answers too: 422 with a list of `detail` for a field that is wrong, 200
with `status` SandboxError for what is asked for properly and cannot be had here.

    Success       the script ended with exit code 0
    Failed        it ended with another, or was killed: `run_result` says which
    SandboxError  not its fault: another language, files, a lost guest; `message` says why

What differs, because there is a jail and a budget: no file can be put in or taken out, a time
limit is cut to the server's, a memory limit is counted on top of the interpreter and -1 is the
server's, and a script that is killed leaves no output behind. `compile_timeout` is accepted and
means nothing: Python has no separate compilation, there as here.
"""

import json
import math
import signal
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.errors import SandboxError
from sandbox.limits import Limits
from sandbox.script import Script, ScriptOutcome
from sandbox.verdict import Verdict

LANGUAGES = frozenset({
    "python", "cpp", "nodejs", "go", "go_test", "java", "php", "csharp", "bash", "typescript",
    "sql", "rust", "cuda", "lua", "R", "perl", "D_ut", "ruby", "scala", "julia", "pytest", "junit",
    "kotlin_script", "jest", "verilog", "python_gpu", "lean", "swift", "racket",
})  # fmt: skip
"""What the published schema knows; this sandbox runs the first."""


class RequestError(SandboxError):
    """A request that is none: an HTTP status and what the body of the response says."""

    def __init__(self, status: int, detail: object) -> None:
        super().__init__(f"{status}: {detail}")
        self.status, self.detail = status, detail


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCode:
    """The request, checked; names and defaults are the schema's."""

    code: str
    language: str
    stdin: str | None
    compile_timeout: float
    run_timeout: float
    memory_limit_MB: int  # noqa: N815 - the schema's name
    files: dict[str, str | None]
    fetch_files: list[str]

    @property
    def script(self) -> Script:
        """The program that is asked for."""
        return Script(source=self.code, stdin=self.stdin or "")

    @property
    def obstacle(self) -> str:
        """Why it cannot be had here, or nothing."""
        if self.language != "python":
            return f"language {self.language!r} is not supported: this sandbox runs python"
        if any(content is not None for content in self.files.values()):
            return "files are not supported: a script has its stdin and no file system"
        if self.fetch_files:
            return "fetch_files is not supported: a script has its stdout and no file system"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """The most that a request may ask for; what is over is cut to it."""

    run_timeout_s: float = 60.0
    memory_mb: int = 1024
    output_bytes: int = 1 << 20
    body_bytes: int = 16 << 20

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise ValueError(f"{name} must be positive and finite, got {value}")

    def limits(self, request: RunCode) -> Limits:
        """What the script may use."""
        wall_s = max(min(request.run_timeout, self.run_timeout_s), _LEAST_S)
        memory_mb = min(request.memory_limit_MB, self.memory_mb)
        return Limits(
            wall_s=wall_s,
            cpu_s=max(wall_s, 1.0),  # the wall clock decides; the kernel counts whole seconds
            memory_mb=memory_mb if memory_mb > 0 else self.memory_mb,
            output_bytes=self.output_bytes,
            source_bytes=self.body_bytes,
            args_bytes=self.body_bytes,
        )


_LEAST_S = 0.001


def parse(body: bytes) -> RunCode:
    """The request in a body; RequestError says what is wrong with it."""
    try:
        fields = json.loads(body.decode("utf-8"))
    except (RecursionError, UnicodeDecodeError):
        raise RequestError(400, "There was an error parsing the body") from None
    except ValueError as error:
        raise RequestError(
            422, [_problem("json_invalid", "JSON decode error", str(error))]
        ) from None
    if not isinstance(fields, dict):
        raise RequestError(422, [_problem("model_attributes_type", "Input should be an object")])
    problems: list[dict[str, object]] = []
    values = {name: _read(fields, name, problems) for name in _FIELDS}
    if problems:
        raise RequestError(422, problems)
    return RunCode(**values)  # type: ignore[arg-type]  # each was checked by its reader


def respond(outcome: ScriptOutcome) -> dict[str, object]:
    """The response to a script that ran."""
    if outcome.verdict is Verdict.LOST:
        return _response("SandboxError", outcome.error, _run_result("Error", outcome, None))
    if outcome.verdict is Verdict.TIMEOUT:
        return _response("Failed", "", _run_result("TimeLimitExceeded", outcome, None))
    code = _return_code(outcome)
    status = "Success" if code == 0 else "Failed"
    return _response(status, "", _run_result("Finished", outcome, code))


def apologize(message: str) -> dict[str, object]:
    """The response to a request that could not be served."""
    return _response("SandboxError", message, None)


def _response(status: str, message: str, run_result: dict[str, object] | None) -> dict[str, object]:
    return {
        "status": status,
        "message": message,
        "compile_result": None,
        "run_result": run_result,
        "executor_pod_name": None,
        "files": {},
    }


def _run_result(status: str, outcome: ScriptOutcome, code: int | None) -> dict[str, object]:
    is_killed = outcome.exit_code is None
    return {
        "status": status,
        "execution_time": outcome.cost.wall_s,
        "return_code": code,
        "stdout": outcome.stdout,
        # What killed it is all there is to say: its own stderr went with it.
        "stderr": f"{outcome.verdict}: {outcome.error}\n" if is_killed else outcome.stderr,
    }


def _return_code(outcome: ScriptOutcome) -> int:
    """The exit code; of a script that was killed, minus the signal, as `subprocess` has it."""
    if outcome.exit_code is not None:
        return outcome.exit_code
    number = getattr(signal, outcome.error, None) if outcome.error.startswith("SIG") else None
    return -number if isinstance(number, signal.Signals) else 1


# -- fields ------------------------------------------------------------------------------------


class _WrongError(Exception):
    """A field that is not what it should be: the schema's word for it, and a sentence."""


def _problem(kind: str, message: str, *where: object) -> dict[str, object]:
    return {"type": kind, "loc": ["body", *where], "msg": message}


def _read(fields: dict[str, object], name: str, problems: list[dict[str, object]]) -> object:
    reader, default = _FIELDS[name]
    if name not in fields:
        if default is _REQUIRED:
            problems.append(_problem("missing", "Field required", name))
        return default
    try:
        return reader(fields[name])
    except _WrongError as wrong:
        problems.append(_problem(wrong.args[0], wrong.args[1], name))
        return default


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _WrongError("string_type", "Input should be a valid string")
    return value


def _optional_text(value: object) -> str | None:
    return None if value is None else _text(value)


def _number(value: object) -> float:
    if isinstance(value, int | float | str):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
        if not math.isnan(number):
            return number
    raise _WrongError("float_type", "Input should be a valid number")


def _integer(value: object) -> int:
    number = _number(value)
    if not number.is_integer():
        raise _WrongError("int_type", "Input should be a valid integer")
    return int(number)


def _language(value: object) -> str:
    if not isinstance(value, str) or value not in LANGUAGES:
        raise _WrongError("literal_error", f"Input should be one of {', '.join(sorted(LANGUAGES))}")
    return value


def _files(value: object) -> dict[str, str | None]:
    if not isinstance(value, dict):
        raise _WrongError("dict_type", "Input should be a valid dictionary")
    return {name: _optional_text(content) for name, content in value.items()}


def _names(value: object) -> list[str]:
    if not isinstance(value, list):
        raise _WrongError("list_type", "Input should be a valid list")
    return [_text(name) for name in value]


_REQUIRED = object()
_FIELDS: dict[str, tuple[Callable[[object], object], object]] = {
    "code": (_text, _REQUIRED),
    "language": (_language, _REQUIRED),
    "stdin": (_optional_text, None),
    "compile_timeout": (_number, 10.0),
    "run_timeout": (_number, 10.0),
    "memory_limit_MB": (_integer, -1),
    "files": (_files, {}),
    "fetch_files": (_names, []),
}
