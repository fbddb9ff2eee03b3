"""`sandbox serve` as its clients see it: real server, real sockets, real guests."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.sandbox.host import descendants, is_alive, wait_until

pytest.importorskip("starlette", reason="the extra `serve` is not installed")
pytest.importorskip("uvicorn", reason="the extra `serve` is not installed")

PATIENCE_S = 30.0


@dataclass(frozen=True)
class Server:
    process: subprocess.Popen[str]
    port: int

    def request(self, method: str, path: str, body=None, **headers: str):
        """Status, headers and JSON of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.headers, json.loads(response.read() or b"null")

    def post(self, body: bytes, **headers: str):
        return self.request(
            "POST", "/run_code", body, **({"Content-Type": "application/json"} | headers)
        )

    def run(self, code: str, **fields: object):
        """The answer to a proper request."""
        payload = {"code": code, "language": "python"} | fields
        status, _, answer = self.post(json.dumps(payload).encode())
        assert status == 200, answer
        return answer

    def state(self):
        return self.request("GET", "/status")[2]

    def wait_until(self, **state: object) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while (now := {key: self.state()[key] for key in state}) != state:
            assert time.monotonic() < deadline, now
            time.sleep(0.02)


@contextlib.contextmanager
def serving(*options: str) -> Iterator[Server]:
    command = [sys.executable, "-c", "from sandbox.cli import main; main()", "serve", "--port", "0"]
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        said = ""
        while "now: POST" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        port = re.search(r"http://[^/]*:(\d+)/run_code", said)
        assert port is not None
        try:
            yield Server(process, int(port[1]))
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.communicate(timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving("--workers", "2") as running:
        yield running


# -- a client as the trainers have it: sort the answer into what a test case came to


def judge(server: Server, code: str, stdin: str, expected: str, *, timeout: float = 10) -> str:
    """One test case, the way reward code for stdin/stdout problems asks and reads."""
    answer = server.run(
        code,
        stdin=stdin,
        compile_timeout=timeout,
        run_timeout=timeout,
        memory_limit_MB=256,
        files={},
        fetch_files=[],
    )
    if answer["status"] == "SandboxError":
        return "sandbox error"
    compiled, ran = answer["compile_result"], answer["run_result"]
    if answer["status"] == "Failed":
        if compiled and compiled["return_code"] != 0:
            return "compile error"
        return "timeout" if ran["status"] == "TimeLimitExceeded" else "runtime error"
    assert (answer["status"], ran["status"], ran["return_code"]) == ("Success", "Finished", 0)
    is_right = ran["stdout"].rstrip("\n") == expected.rstrip("\n")
    return "accepted" if is_right else "wrong answer"


ADD = "a, b = map(int, input().split())\nprint(a + b)\n"


@pytest.mark.parametrize(
    ("code", "stdin", "expected", "verdict"),
    [
        (ADD, "3 4\n", "7", "accepted"),
        (ADD, "3 4\n", "8", "wrong answer"),
        (ADD, "3 x\n", "7", "runtime error"),
        ("import sys\nprint(7)\nsys.exit(1)", "", "7", "runtime error"),
        ("print(7", "", "7", "runtime error"),  # as there: Python has no compile step
        ("while True: pass", "", "", "timeout"),
        ("x = bytearray(10**9)\nprint(7)", "", "7", "runtime error"),
        ("import os\nprint(7)", "", "7", "runtime error"),
        ("print(input()[::-1])", "stra\u00dfe \u2603", "\u2603 e\u00dfarts", "accepted"),
        ("print(len(input()))", "x" * 3_000_000, "3000000", "accepted"),
        ("import sys\nprint(sum(map(int, sys.stdin)))", "1\n" * 400_000, "400000", "accepted"),
    ],
)  # fmt: skip
def test_a_trainers_client_gets_the_right_verdict(server: Server, code, stdin, expected, verdict):
    limit = 1 if verdict == "timeout" else 20
    assert judge(server, code, stdin, expected, timeout=limit) == verdict


FUNCTION_STYLE = """
import json, sys, traceback
from typing import *

class Solution:
    def twoSum(self, numbers: List[int], target: int) -> List[int]:
        seen = {}
        for index, number in enumerate(numbers):
            if target - number in seen:
                return [seen[target - number], index]
            seen[number] = index
        raise ValueError("none")

if __name__ == "__main__":
    try:
        arguments = [json.loads(line) for line in sys.stdin.read().split("\\n")]
        print(json.dumps(getattr(Solution(), "twoSum")(*arguments)))
    except Exception:
        sys.stderr.write(traceback.format_exc())
        sys.exit(1)
"""


def test_a_function_wrapped_into_a_script_works_too(server: Server):
    assert judge(server, FUNCTION_STYLE, "[2, 7, 11]\n18", "[1, 2]") == "accepted"
    assert judge(server, FUNCTION_STYLE, "[2, 7, 11]\n5", "[1, 2]") == "runtime error"


def test_the_details_of_a_failure_are_there(server: Server):
    ran = server.run("print('so far')\n1 // 0")["run_result"]
    assert (ran["stdout"], ran["return_code"]) == ("so far\n", 1)
    assert ran["stderr"].endswith("ZeroDivisionError: integer division or modulo by zero\n")
    assert '"<program>", line 2' in ran["stderr"]
    syntax = server.run("int a = 1")["run_result"]
    assert "SyntaxError: invalid syntax" in syntax["stderr"]
    late = server.run("print('x', flush=True)\nwhile True: pass", run_timeout=0.5)["run_result"]
    assert (late["status"], late["return_code"], late["stdout"]) == ("TimeLimitExceeded", None, "")
    assert late["execution_time"] >= 0.5


def test_a_time_limit_of_nothing_is_exceeded(server: Server):
    for timeout in (0, -1):
        ran = server.run("while True: pass", run_timeout=timeout)["run_result"]
        assert ran["status"] == "TimeLimitExceeded"


def test_limits_are_each_requests_own(server: Server):
    code = "print(len(bytearray(200 << 20)))"
    assert server.run(code, memory_limit_MB=64)["status"] == "Failed"
    assert server.run(code, memory_limit_MB=-1)["status"] == "Success"
    assert server.run("print('x' * 2_000_000)")["run_result"]["return_code"] == 1


def test_what_cannot_be_had_is_a_sandbox_error_that_says_so(server: Server):
    for fields, word in (
        ({"language": "cpp"}, "cpp"), ({"files": {"a.txt": "YQ=="}}, "files"),
        ({"fetch_files": ["a.txt"]}, "fetch_files"),
    ):  # fmt: skip
        answer = server.run("print(1)", **fields)
        assert (answer["status"], answer["run_result"]) == ("SandboxError", None)
        assert word in answer["message"]


def test_many_at_once_all_get_their_own_answer(server: Server):
    with ThreadPoolExecutor(24) as threads:
        answers = list(
            threads.map(lambda n: server.run("print(input())", stdin=str(n)), range(150))
        )
    assert [a["run_result"]["stdout"] for a in answers] == [f"{n}\n" for n in range(150)]
    assert server.state()["num_requests"] == 0


def test_a_connection_serves_many_requests(server: Server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    with contextlib.closing(connection):
        for number in range(5):
            body = json.dumps({"code": f"print({number})", "language": "python"})
            connection.request("POST", "/run_code", body, {"Content-Type": "application/json"})
            answer = json.loads(connection.getresponse().read())
            assert answer["run_result"]["stdout"] == f"{number}\n"


def test_it_says_that_it_is_well(server: Server):
    for path in ("/v1/ping", "/health"):
        assert server.request("GET", path)[::2] == (200, "pong")
    state = server.state()
    assert state["layers"]["seccomp"] is True
    assert state["num_zygotes"] == 4


GOOD = json.dumps({"code": "print(1)", "language": "python"}).encode()


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (GOOD, {"Origin": "https://example.com"}, 403),
        (GOOD, {"Host": "rebound.example.com"}, 403),
        (GOOD, {"Host": "localhost.example.com:80"}, 403),
        (GOOD, {"Content-Type": "text/plain"}, 415),
        (GOOD, {"Content-Type": "application/x-www-form-urlencoded"}, 415),
        (GOOD, {"Content-Type": "application/json; charset=utf-8"}, 200),
        (GOOD, {"Host": "localhost"}, 200),
        (GOOD, {"Host": "[::1]:8080"}, 200),
        (b"{", {}, 422),
        (b"{}", {}, 422),
        (b"[" * 1_000_000, {}, 400),
        (b"\xff", {}, 400),
    ],
)  # fmt: skip
def test_what_is_no_request_gets_its_status(server: Server, body, headers, status):
    found, _, answer = server.post(body, **headers)
    assert found == status
    assert ("detail" in answer) == (status != 200)


def test_other_paths_and_methods_are_told_so(server: Server):
    assert server.request("GET", "/run_code")[::2] == (405, {"detail": "Method Not Allowed"})
    assert server.request("GET", "/nothing")[::2] == (404, {"detail": "Not Found"})


def send(server: Server, code: str) -> socket.socket:
    body = json.dumps({"code": code, "language": "python", "run_timeout": 3600}).encode()
    head = f"POST /run_code HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    connection = socket.create_connection(("127.0.0.1", server.port), PATIENCE_S)
    connection.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
    return connection


SMALL = ("--workers", "1", "--max-requests", "3", "--max-body-mb", "1",
         "--max-run-timeout-s", "3600")  # fmt: skip


def test_whoever_hangs_up_takes_the_guest_down():
    with serving(*SMALL) as server:
        connections = [send(server, "while True: pass") for _ in range(3)]
        server.wait_until(num_requests=3, num_idle=0, num_waiting=1)
        for connection in connections:
            connection.close()
        server.wait_until(num_requests=0, num_idle=2, num_waiting=0)
        assert server.run("print(1)")["status"] == "Success"


def test_one_request_too_many_is_a_503_that_says_when():
    with serving(*SMALL) as server:
        connections = [send(server, "while True: pass") for _ in range(3)]
        server.wait_until(num_requests=3)
        status, headers, _ = server.post(GOOD)
        assert (status, headers["Retry-After"]) == (503, "1")
        assert server.state()["num_refused"] == 1
        for connection in connections:
            connection.close()
        server.wait_until(num_requests=0)
        assert server.post(GOOD)[0] == 200


def test_a_body_over_the_cap_is_a_413_declared_or_not():
    with serving(*SMALL) as server:
        large = json.dumps({"code": "x" * (2 << 20), "language": "python"}).encode()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may hang up on us
            assert server.post(large)[0] == 413
        pieces = [large[start : start + 65_536] for start in range(0, len(large), 65_536)]
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            assert server.post(iter(pieces))[0] == 413  # sent in chunks
        server.wait_until(num_requests=0)
        assert server.post(GOOD)[0] == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("is_busy", [False, True])
def test_a_signal_ends_it_and_all_it_has_started(number, is_busy):
    with serving(*SMALL) as server:
        connections = [send(server, "while True: pass") for _ in range(2 * is_busy)]
        server.wait_until(num_requests=2 * is_busy, num_idle=2 - 2 * is_busy)
        wait_until(lambda: len(list(descendants(server.process.pid))) == 4 + 2 * is_busy)
        started = list(descendants(server.process.pid))
        server.process.send_signal(number)
        said, _ = server.process.communicate(timeout=PATIENCE_S)
        assert server.process.returncode == 0, said
        assert "nothing is left running" in said
        assert "Traceback" not in said
        for connection in connections:
            connection.close()
        assert not any(map(is_alive, started))


def test_a_killed_server_leaves_no_process():
    with serving(*SMALL) as server:
        started = list(descendants(server.process.pid))
        os.kill(server.process.pid, signal.SIGKILL)
        wait_until(lambda: not any(map(is_alive, started)))


def test_a_port_that_is_taken_is_one_clear_complaint(server: Server):
    done = subprocess.run(
        [sys.executable, "-c", "from sandbox.cli import main; main()", "serve", "--port",
         str(server.port)], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "another --port" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_warns_when_others_can_reach_it():
    with subprocess.Popen(
        [sys.executable, "-c", "from sandbox.cli import main; main()", "serve", "--port", "0",
         "--host", "0.0.0.0", "--workers", "1"], stdout=subprocess.PIPE, text=True,
        stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        said = ""
        while "now: POST" not in said:
            said += process.stdout.readline()
        process.terminate()
    assert "WARNING" in said
    assert "no password" in said


# -- what needs no sockets


async def call(app, *messages, hang: bool = False) -> int:
    """The status of one POST /run_code whose body comes in these messages."""
    import asyncio

    rest, sent = list(messages), []

    async def receive():
        if not rest:
            await asyncio.Event().wait()
        return rest.pop(0)

    async def send(message):
        sent.append(message)

    headers = [(b"content-type", b"application/json"), (b"host", b"localhost")]
    scope = {"type": "http", "method": "POST", "path": "/run_code", "headers": headers,
             "query_string": b"", "root_path": "", "http_version": "1.1"}  # fmt: skip
    await app(scope, receive, send)
    return sent[0]["status"]


def piece(body: bytes, *, more: bool = False):
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_that_does_not_come_is_a_408(sandbox):
    from sandbox.gateway import Bounds, Gateway

    gateway = Gateway(sandbox, bounds=Bounds(body_s=0.05), any_host=False)
    assert await call(gateway.app, piece(b"{", more=True)) == 408
    assert await call(gateway.app, piece(GOOD)) == 200


async def test_bodies_that_fill_the_memory_are_a_503(sandbox):
    import asyncio

    from sandbox.gateway import Bounds, Gateway

    gateway = Gateway(sandbox, bounds=Bounds(max_held_bytes=1000), any_host=False)
    holding = asyncio.create_task(call(gateway.app, piece(b" " * 900, more=True)))
    await asyncio.sleep(0)
    assert await call(gateway.app, piece(b" " * 200)) == 503
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)
    assert await call(gateway.app, piece(GOOD)) == 200


async def test_a_client_that_goes_while_it_sends_is_forgotten(sandbox):
    from sandbox.gateway import Bounds, Gateway

    gateway = Gateway(sandbox, bounds=Bounds(max_requests=1), any_host=False)
    await call(gateway.app, piece(b"{", more=True), {"type": "http.disconnect"})
    assert await call(gateway.app, piece(GOOD)) == 200
