"""The HTTP interface as its clients see it: a real server and real guests, over what was played."""

import asyncio
import contextlib
import io
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from engine.api import door as door_module
from engine.api import run_code
from engine.api.counters import Counters
from engine.api.door import Door, address_of, open_door
from engine.api.scene import Scene
from engine.api.server import serve
from engine.config import ConfigError, EngineConfig, SandboxConfig
from engine.observe.board import Board
from engine.play.round import RoundReport
from engine.policy.scripted import ScriptedPolicy
from engine.tasks.pages import STATES, TaskPages
from engine.tasks.rows import Retirement
from engine.tasks.store import TaskStore
from engine.tasks.task import Origin
from engine.wire import RingWriter
from engine.wire.messages import Kind
from sandbox import Sandbox
from tests.engine.conftest import play_rounds

RING_BYTES = 1 << 20
TOKEN = "a token of thirty characters.."
DOUBLES = "x):\n    y = x * 2\n    return y\nprint(f(21))"
SQUARES = "x):\n    return x * x + 1\nprint(f(3))"
HOPELESS = "x):\n    return x\nprint(f(1)\n" + "more and " * 40


@dataclass
class Client:
    """Asks a server."""

    session: aiohttp.ClientSession
    url: str
    scene: Scene
    reports: list[RoundReport]

    async def ask(self, path, *, method="GET", **more):
        """Status and body; JSON where it is."""
        async with self.session.request(method, self.url + path, **more) as answer:
            is_json = answer.content_type == "application/json"
            return answer.status, await (answer.json() if is_json else answer.text())

    async def get(self, path):
        status, body = await self.ask(path)
        assert status == 200, body
        return body

    async def run(self, program, *args, **more):
        fields = {"program": program, "args": list(args), **more}
        return await self.ask("/run_code", method="POST", json=fields)


@pytest_asyncio.fixture(scope="module")
async def scene(sandbox, tmp_path_factory):
    """Two rounds that were played, one task of which is retired and one evicted, looked at."""
    played = await play_rounds(
        sandbox,
        tmp_path_factory.mktemp("api"),
        Kind.DEDUCTION,
        propose=[DOUBLES, SQUARES, HOPELESS, "x):\n    return x / 0\nprint(f(1))"],
        solve=[" 42\n", " 41\n"],
        rounds=2,
    )
    board, counters = Board(run="r", phase="playing"), Counters()
    for report in played.reports:
        board.add_round(report)
        counters.add(report)
    with TaskStore(played.run.tasks_db) as store:
        proposed = list(store.tasks(origin=Origin.PROPOSAL))
        store.retire(Retirement(task=proposed[0], reason="a test"))
        store.evict(store.seeds(Kind.ABDUCTION)[0].id)
        ring = RingWriter.open(played.run.ring, capacity=RING_BYTES, run_id=bytes(16))
        scene = Scene(
            run=played.run,
            board=board,
            counters=counters,
            policy=ScriptedPolicy({}, version=7),
            sandbox=sandbox,
            store=store,
            ring=ring,
            ring_capacity=RING_BYTES,
            limits=SandboxConfig(workers=1, wall_s=20.0),
        )
        yield scene, played.reports
        ring.close()


@contextlib.asynccontextmanager
async def served(scene, reports, *, token=""):
    opened = open_door(EngineConfig(api="127.0.0.1:0"))
    door = Door(listener=opened.listener, token=token)
    async with asyncio.TaskGroup() as group, aiohttp.ClientSession() as session:
        serving = group.create_task(serve(door, scene))
        yield Client(session=session, url=door.url, scene=scene, reports=reports)
        serving.cancel()


@pytest_asyncio.fixture(scope="module")
async def client(scene):
    async with served(*scene) as client:
        yield client


async def test_it_says_that_it_is_well_and_what_it_does(client):
    body = await client.get("/health")
    assert (body["status"], body["phase"]) == ("ok", "playing")


def samples(text):
    """Each sample by its name and its labels' values in the order of the alphabet."""
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_the_metrics_are_what_was_played(client):
    seen = samples(await client.get("/metrics"))
    fates = Counter(judged.fate for report in client.reports for judged in report.judged)
    assert set(fates) > {"admitted", "raised"}
    for fate, count in fates.items():
        assert seen["kelvin_proposals_total", *sorted(("deduction", fate))] == count
    assert seen["kelvin_attempts_total", "deduction", "right"] == 4
    assert seen["kelvin_attempts_total", "deduction", "wrong"] == 12
    assert seen["kelvin_rounds_total", "deduction"] == 2
    assert seen["kelvin_rounds_total", "induction"] == 0
    for kind in Kind:
        assert seen["kelvin_tasks", kind.value] == client.scene.store.num_tasks(kind)
    assert seen["kelvin_policy_version",] == 7
    assert seen["kelvin_ring_capacity_bytes",] == RING_BYTES
    assert 0 < seen["kelvin_ring_used_bytes",] < RING_BYTES


async def test_cut_completions_and_what_they_saved_at_most_are_counted(client):
    seen = samples(await client.get("/metrics"))
    cut = [
        judged.completion
        for report in client.reports
        for judged in report.judged
        if judged.completion.finish == "abort"
    ]
    assert cut, "nothing was cut"
    assert seen["kelvin_completions_aborted_total", "proposer"] == len(cut)
    saved = sum(2000 - len(completion.tokens) for completion in cut)
    assert seen["kelvin_tokens_saved_total", "proposer"] == saved


async def test_every_call_of_the_sandbox_is_in_the_histogram_once(client):
    seen = samples(await client.get("/metrics"))
    num_calls = sum(v for (name, *_), v in seen.items() if name == "kelvin_sandbox_calls_total")
    assert seen["kelvin_sandbox_call_seconds_count",] == num_calls > 0
    buckets = sorted(
        (float(labels[0]), value)
        for (name, *labels), value in seen.items()
        if name == "kelvin_sandbox_call_seconds_bucket"
    )
    assert [value for _, value in buckets] == sorted(value for _, value in buckets)
    assert buckets[-1] == (math.inf, num_calls)


async def test_the_status_is_that_of_the_command(client):
    body = await client.get("/status")
    assert body["run"] == str(client.scene.run.path)
    assert {"engine", "trainer", "rings", "why", "now"} <= body.keys()


async def test_a_store_that_cannot_be_read_now_is_told_as_that(client):
    path = client.scene.run.tasks_db
    path.rename(path.with_suffix(".away"))
    try:
        status, body = await client.ask("/tasks")
    finally:
        path.with_suffix(".away").rename(path)
    assert status == 503
    assert "tasks.db" in body["detail"]


# -- tasks


@pytest.mark.parametrize("limit", [1, 3, 200])
async def test_the_pages_have_every_task_once_newest_first(client, limit):
    ids, query = [], f"limit={limit}"
    while True:
        body = await client.get(f"/tasks?{query}")
        assert len(body["tasks"]) <= limit
        ids += [task["id"] for task in body["tasks"]]
        if body["next_before"] is None:
            break
        query = f"limit={limit}&before={body['next_before']}"
    assert len(ids) == len(set(ids)) == 5
    kept = [task.id for task in client.scene.store.tasks()]
    assert [task_id for task_id in ids if task_id in kept] == kept[::-1]


async def test_filters_leave_what_they_name(client):
    everything = (await client.get("/tasks?limit=200"))["tasks"]
    for name, values in {"kind": [*Kind], "origin": [*Origin], "state": [*STATES]}.items():
        for value in values:
            seen = (await client.get(f"/tasks?limit=200&{name}={value}"))["tasks"]
            assert seen == [task for task in everything if task[name].startswith(value)]
    assert {task["state"].partition(":")[0] for task in everything} == {*STATES}
    query = "kind=deduction&origin=proposal&state=retired"
    assert len((await client.get(f"/tasks?{query}"))["tasks"]) == 1


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "before=-1", "kind=seduction", "state=", "page=2",
              "limit=" + "9" * 5000, "origin=a'b", "before=" + "9" * 19 + "99"],
)  # fmt: skip
async def test_a_query_that_is_none_is_refused_in_words(client, query):
    status, body = await client.ask(f"/tasks?{query}")
    assert status == 422
    assert query.partition("=")[0] in body["detail"]


async def test_a_task_is_told_with_all_that_the_record_has(client):
    [task] = (await client.get("/tasks?origin=proposal&state=kept"))["tasks"]
    body = await client.get(f"/tasks/{task['id'][:10]}")
    assert body["id"] == task["id"]
    assert body["proposed"]["fate"] == "admitted"
    assert body["proposed"]["prompt"].endswith("def f(")
    assert [each["verdict"] for each in body["attempted"]] == ["wrong"] * 8
    assert body["solver_prompt"].endswith("assert f(3) ==")
    assert body["num_attempts"] == 8
    assert body["children"] == []


@pytest.mark.parametrize("name", ["zz", "%25", "..%2f", "%00"])
async def test_a_task_that_is_not_there_is_not_found(client, name):
    status, body = await client.ask(f"/tasks/{name}")
    assert status == 404
    assert body["detail"]


@given(
    limit=st.integers(1, 20),
    before=st.none() | st.integers(-1, 20),
    kind=st.none() | st.sampled_from(Kind),
    origin=st.none() | st.sampled_from(Origin),
    state=st.none() | st.sampled_from(sorted(STATES)),
)
def test_a_page_is_what_a_look_at_all_rows_would_give(scene, limit, before, **wanted):
    run = scene[0].run
    with TaskPages(run.tasks_db, read_only=True) as pages:
        everything, _ = pages.page(limit=1000)
        places = dict(pages._db.execute("SELECT id, position FROM tasks"))
        seen, following = pages.page(limit=limit, before=before, **wanted)
    fits = [
        each
        for each in everything
        if (before is None or places[each.task.id] < before)
        and wanted["kind"] in (None, each.task.kind)
        and wanted["origin"] in (None, each.task.origin)
        and (wanted["state"] is None or each.state.startswith(wanted["state"]))
    ]
    assert seen == fits[:limit]
    assert following == (places[seen[-1].task.id] if len(fits) > limit else None)


# -- programs


async def test_a_program_runs_and_its_values_come_back_as_literals(client):
    before = client.scene.sandbox.status().num_calls
    status, body = await client.run("def f(x, k=1):\n    return [x, {k}]", "1", "'a', k=2")
    assert status == 200
    assert (body["verdict"], body["values"]) == ("ok", ["[1, {1}]", "['a', {2}]"])
    assert client.scene.sandbox.status().num_calls == before, "self-play's pool has not seen it"


@pytest.mark.parametrize(
    ("program", "verdict", "error"),
    [
        ("def f(x):\n    return 1 / x", "raised", "ZeroDivisionError"),
        ("def f(x:", "invalid", ""),
        ("import socket\ndef f(x):\n    return socket.socket()", "forbidden", ""),
        ("def f(x):\n    while True: pass", "timeout", ""),
    ],
)
async def test_what_a_program_does_is_an_outcome(client, program, verdict, error):
    status, body = await client.run(program, "0", wall_s=0.3)
    assert (status, body["verdict"], body["values"]) == (200, verdict, [])
    assert error in body["error"]


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({}, "program"), ({"program": 1, "args": []}, "program"), ({"program": ""}, "args"),
        ({"program": "", "args": "1"}, "args"), ({"program": "", "args": [1]}, "args"),
        ({"program": "", "args": []}, "args"), ({"program": "", "args": ["1"] * 65}, "args"),
        ({"program": "", "args": ["1"], "wall_s": 0}, "wall_s"),
        ({"program": "", "args": ["1"], "wall_s": "1"}, "wall_s"),
        ({"program": "", "args": ["1"], "walls": 1}, "walls"),
    ],
)  # fmt: skip
async def test_a_wrong_field_is_named(client, fields, word):
    status, body = await client.ask("/run_code", method="POST", json=fields)
    assert status == 422
    assert word in body["detail"]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400), (b"\xff", "application/json", 400),
        (b"[" * 100_000, "application/json", 400), (b"[]", "application/json", 422),
        (b"{}", "text/plain", 415), (b" " * (run_code.MAX_BODY + 1), "application/json", 413),
    ],
)  # fmt: skip
async def test_a_body_that_is_none_is_refused(client, body, kind, status):
    headers = {"Content-Type": kind}
    asked = client.ask("/run_code", method="POST", data=io.BytesIO(body), headers=headers)
    assert (await asked)[0] == status


async def test_over_so_many_requests_at_once_it_says_try_again(client, monkeypatch):
    monkeypatch.setattr(run_code, "MAX_INSIDE", 2)
    loop = "def f(x):\n    while True: pass"
    answers = await asyncio.gather(*(client.run(loop, "1", wall_s=1.0) for _ in range(4)))
    assert sorted(status for status, _ in answers) == [200, 200, 503, 503]


async def test_a_caller_who_leaves_takes_the_program_down(scene, monkeypatch):
    pools = []

    def noted(**settings):
        pools.append(Sandbox(**settings))
        return pools[-1]

    monkeypatch.setattr(run_code, "Sandbox", noted)
    async with served(*scene) as client:
        loop = "def f(x):\n    while True: pass"
        asking = [asyncio.create_task(client.run(loop, "1")) for _ in range(2)]
        async with asyncio.timeout(60):
            while not pools or pools[0].status().num_running < 2:  # noqa: ASYNC110  # no event
                await asyncio.sleep(0.01)
        for task in asking:
            task.cancel()
        status, body = await client.run("def f(x):\n    return x", "5")
        assert (status, body["values"]) == (200, ["5"]), "a place is free again"
        assert pools[0].status().verdicts == {"ok": 1}, "before their time was up"


# -- who may ask


async def test_pages_of_browsers_and_other_names_are_refused(client):
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
        assert (await client.ask("/health", headers=headers))[0] == 403
    port = client.url.rpartition(":")[2]
    for host in (f"localhost:{port}", f"[::1]:{port}", "127.0.0.1"):
        assert (await client.ask("/health", headers={"Host": host}))[0] == 200


async def test_with_a_token_only_its_holders_are_answered(scene):
    async with served(*scene, token=TOKEN) as client:
        assert (await client.ask("/health"))[0] == 200
        for told in ("", "Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer \u00e9"):
            status, _ = await client.ask("/tasks", headers={"Authorization": told})
            assert status == 401, told
        headers = {"Authorization": f"Bearer {TOKEN}", "Host": "kelvin.example"}
        assert (await client.ask("/tasks", headers=headers))[0] == 200


def test_off_the_loopback_there_is_no_listener_without_a_token(tmp_path):
    with pytest.raises(ConfigError, match="api_token_file"):
        open_door(EngineConfig(api="0.0.0.0:0"))
    file = tmp_path / "token"
    file.write_text("short\n")
    with pytest.raises(ConfigError, match="16 characters"):
        open_door(EngineConfig(api="0.0.0.0:0", api_token_file=str(file)))
    with pytest.raises(ConfigError, match="cannot be read"):
        open_door(EngineConfig(api="0.0.0.0:0", api_token_file=str(tmp_path / "gone")))
    file.write_text(f"{TOKEN}\n")
    door = open_door(EngineConfig(api="0.0.0.0:0", api_token_file=str(file)))
    with door.listener:
        assert (door.token, door.is_local) == (TOKEN, False)


def test_what_is_not_installed_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr(door_module, "PACKAGES", ("uvicorn", "no_such_package"))
    with pytest.raises(ConfigError, match=r"no_such_package.*kelvin-rl\[api\]"):
        open_door(EngineConfig(api="127.0.0.1:0"))


def test_an_address_in_use_is_refused_by_name():
    first = open_door(EngineConfig(api="127.0.0.1:0"))
    with first.listener, pytest.raises(ConfigError, match="cannot listen on 127"):
        open_door(EngineConfig(api=first.url.removeprefix("http://")))


@settings(max_examples=50)
@given(st.text(max_size=30) | st.from_regex(r"[a-z0-9.\[\]:]{0,12}:[0-9]{0,6}", fullmatch=True))
def test_an_address_is_read_or_refused(text):
    try:
        host, port = address_of(text)
    except ConfigError:
        return
    assert 0 <= port < 1 << 16
    bracketed = f"[{host}]" if text.startswith("[") else host
    assert text.rpartition(":")[0] == bracketed


# -- the whole engine


@pytest.mark.slow
def test_a_real_engine_answers_while_it_plays_and_stops_on_sigterm(tmp_path: Path):
    command = [sys.executable, "-m", "engine.cli", "serve", "--run", str(tmp_path / "run")]
    command += ["--recipe", "smoke", "--engine.probe-samples", "0", "--api", "127.0.0.1:0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ})
    try:
        url = next(line for line in process.stderr if line.startswith("api: "))[5:].strip()
        deadline = time.monotonic() + 120
        while (health := fetch(f"{url}/health")) is None:
            assert time.monotonic() < deadline, "no answer"
            assert process.poll() is None, "it ended"
            time.sleep(0.1)
        assert health["status"] == "ok"
        assert fetch(f"{url}/status")["engine"]["pid"] == process.pid
        ran = fetch(f"{url}/run_code", {"program": "def f(x):\n    return x + 1", "args": ["1"]})
        assert ran["values"] == ["2"]
        assert "kelvin_tasks" in fetch(f"{url}/metrics")
        process.send_signal(signal.SIGTERM)
        said = process.stderr.read()
        assert process.wait(60) == 128 + signal.SIGTERM, said
        assert re.search("Traceback|Error", said) is None, said
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    assert fetch(f"{url}/health") is None


def fetch(url, fields=None):
    """The answer, JSON if it is; None if nobody answers."""
    body = None if fields is None else json.dumps(fields).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read().decode()
    except (ConnectionError, urllib.error.URLError):
        return None
    return json.loads(text) if text.startswith("{") else text
