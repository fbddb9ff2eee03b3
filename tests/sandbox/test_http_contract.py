"""The request and the response of `POST /run_code`, field by field, as its clients know them.

The published schema, in our words: eight fields in, of which `code` and `language` must be there;
six fields out, of which `run_result` has five. Unknown fields are ignored, numbers may come as
text, null is a value for `stdin` alone.
"""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import Cost, Verdict
from sandbox.fusion import LANGUAGES, Ceilings, RequestError, RunCode, apologize, parse, respond
from sandbox.script import ScriptOutcome

LEAST = {"code": "print(1)", "language": "python"}


def request(**fields: object) -> RunCode:
    return parse(json.dumps(LEAST | fields).encode())


def refusal(body: bytes) -> RequestError:
    with pytest.raises(RequestError) as caught:
        parse(body)
    return caught.value


def test_two_fields_are_enough_and_the_others_have_their_defaults():
    assert request() == RunCode(
        code="print(1)",
        language="python",
        stdin=None,
        compile_timeout=10.0,
        run_timeout=10.0,
        memory_limit_MB=-1,
        files={},
        fetch_files=[],
    )


@pytest.mark.parametrize(
    ("name", "given", "meant"),
    [
        ("code", "", ""), ("code", "\ud800", "\ud800"), ("stdin", None, None), ("stdin", "", ""),
        ("stdin", "1\n", "1\n"), ("run_timeout", 3, 3.0), ("run_timeout", 0.5, 0.5),
        ("run_timeout", "2.5", 2.5), ("run_timeout", True, 1.0), ("compile_timeout", 30, 30.0),
        ("memory_limit_MB", 1024, 1024), ("memory_limit_MB", 512.0, 512),
        ("memory_limit_MB", "64", 64), ("memory_limit_MB", -1, -1),
        ("files", {}, {}), ("files", {"a": None, "b": "Yg=="}, {"a": None, "b": "Yg=="}),
        ("fetch_files", ["a"], ["a"]), ("language", "cpp", "cpp"), ("language", "R", "R"),
    ],
)  # fmt: skip
def test_a_field_is_read_as_its_type(name, given, meant):
    assert getattr(request(**{name: given}), name) == meant


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("code", None), ("code", 1), ("code", ["print(1)"]), ("stdin", 3), ("stdin", {}),
        ("language", None), ("language", "Python"), ("language", "brainfuck"), ("language", []),
        ("run_timeout", None), ("run_timeout", "soon"), ("run_timeout", []),
        ("run_timeout", math.nan), ("compile_timeout", {}), ("memory_limit_MB", 1.5),
        ("memory_limit_MB", None), ("memory_limit_MB", "much"), ("memory_limit_MB", math.inf),
        ("files", None), ("files", []), ("files", {"a": 1}), ("fetch_files", None),
        ("fetch_files", "a"), ("fetch_files", [1]),
    ],
)  # fmt: skip
def test_a_field_of_another_type_is_a_422_that_names_it(name, given):
    error = refusal(json.dumps(LEAST | {name: given}).encode())
    assert error.status == 422
    (problem,) = error.detail
    assert problem["loc"] == ["body", name]
    assert problem["type"]
    assert problem["msg"]


def test_every_missing_or_wrong_field_is_named_at_once():
    error = refusal(json.dumps({"run_timeout": "x"}).encode())
    found = {(tuple(p["loc"]), p["type"]) for p in error.detail}
    assert found == {
        (("body", "code"), "missing"),
        (("body", "language"), "missing"),
        (("body", "run_timeout"), "float_type"),
    }


def test_unknown_fields_are_ignored():
    assert request(seed=1, env={"A": "b"}) == request()


def test_all_languages_of_the_schema_are_known_and_one_is_run():
    assert len(LANGUAGES) == 29
    for language in LANGUAGES:
        assert (request(language=language).obstacle == "") == (language == "python")
    assert "'cpp'" in request(language="cpp").obstacle


def test_files_are_an_obstacle_unless_there_are_none():
    assert request(files={}, fetch_files=[]).obstacle == ""
    assert request(files={"a": None}).obstacle == ""  # the schema writes no such file either
    assert "files" in request(files={"a": "Yg=="}).obstacle
    assert "fetch_files" in request(fetch_files=["a"]).obstacle


@pytest.mark.parametrize("body", [b"", b"{", b"[1,]", b"nothing", b"1" * 5000])
def test_what_is_no_json_is_a_422(body):
    assert refusal(body).status == 422


@pytest.mark.parametrize("body", [b"[]", b"null", b'"code"', b"3"])
def test_what_is_no_object_is_a_422(body):
    assert refusal(body).status == 422


@pytest.mark.parametrize(
    "body", [b"[" * 200_000, b'{"a":' * 200_000, b"\xff\xfe", b'{"a": "\xff"}']
)
def test_what_cannot_be_parsed_at_all_is_a_400(body):
    assert refusal(body).status == 400


@given(st.binary(max_size=300) | st.from_regex(rb'\{"code": ?.{0,60}\}', fullmatch=True))
def test_any_body_is_a_request_or_a_refusal(body):
    refused = None
    try:
        parse(body)
    except RequestError as error:
        refused = error
    assert refused is None or refused.status in (400, 422)
    assert refused is None or json.dumps(refused.detail)


CEILINGS = Ceilings(run_timeout_s=20.0, memory_mb=512)


@pytest.mark.parametrize(
    ("asked", "wall_s"), [(10, 10.0), (0.5, 0.5), (1e9, 20.0), (0, 0.001), (-1, 0.001)]
)
def test_the_time_limit_is_what_was_asked_for_up_to_the_servers(asked, wall_s):
    limits = CEILINGS.limits(request(run_timeout=asked))
    assert limits.wall_s == wall_s
    assert limits.cpu_s >= wall_s


@pytest.mark.parametrize(("asked", "memory_mb"), [(64, 64), (4096, 512), (-1, 512), (0, 512)])
def test_the_memory_limit_is_what_was_asked_for_up_to_the_servers(asked, memory_mb):
    assert CEILINGS.limits(request(memory_limit_MB=asked)).memory_mb == memory_mb


# -- responses


def outcome(verdict: Verdict, **fields: object) -> ScriptOutcome:
    cost = Cost(wall_s=0.25, cpu_s=0.125, max_rss_mb=10.0)
    return ScriptOutcome(verdict=verdict, cost=cost, **fields)  # type: ignore[arg-type]


def test_a_response_has_the_fields_of_the_schema_and_no_others():
    assert respond(outcome(Verdict.OK, stdout="1\n", exit_code=0)) == {
        "status": "Success",
        "message": "",
        "compile_result": None,
        "run_result": {
            "status": "Finished",
            "execution_time": 0.25,
            "return_code": 0,
            "stdout": "1\n",
            "stderr": "",
        },
        "executor_pod_name": None,
        "files": {},
    }
    assert apologize("why").keys() == respond(outcome(Verdict.OK, exit_code=0)).keys()


@pytest.mark.parametrize(
    ("ended", "status", "run_status", "code"),
    [
        (outcome(Verdict.OK, exit_code=0), "Success", "Finished", 0),
        (outcome(Verdict.RAISED, exit_code=1, error="E"), "Failed", "Finished", 1),
        (outcome(Verdict.RAISED, exit_code=3, error="SystemExit"), "Failed", "Finished", 3),
        (outcome(Verdict.INVALID, exit_code=1, error="syntax"), "Failed", "Finished", 1),
        (outcome(Verdict.INVALID, error="source over"), "Failed", "Finished", 1),
        (outcome(Verdict.MEMORY, exit_code=1), "Failed", "Finished", 1),
        (outcome(Verdict.MEMORY, error="MemoryError"), "Failed", "Finished", 1),
        (outcome(Verdict.FORBIDDEN, exit_code=1), "Failed", "Finished", 1),
        (outcome(Verdict.FORBIDDEN, error="SIGSYS"), "Failed", "Finished", -31),
        (outcome(Verdict.CRASHED, error="SIGSEGV"), "Failed", "Finished", -11),
        (outcome(Verdict.CRASHED, error="ended without a claim"), "Failed", "Finished", 1),
        (outcome(Verdict.CRASHED, error="SIG_BLOCK"), "Failed", "Finished", 1),
        (outcome(Verdict.OUTPUT, error="over"), "Failed", "Finished", 1),
        (outcome(Verdict.TIMEOUT, error="wall clock"), "Failed", "TimeLimitExceeded", None),
        (outcome(Verdict.LOST, error="vanished"), "SandboxError", "Error", None),
    ],
)
def test_every_ending_has_its_status(ended, status, run_status, code):
    response = respond(ended)
    run_result = response["run_result"]
    assert (response["status"], run_result["status"]) == (status, run_status)
    assert run_result["return_code"] == code
    assert bool(response["message"]) == (status == "SandboxError")
    if ended.exit_code is None:
        assert str(ended.verdict) in run_result["stderr"]
