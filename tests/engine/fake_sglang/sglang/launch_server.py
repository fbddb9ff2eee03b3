"""A server that speaks SGLang's protocol, as recorded from 0.5.23, and has no model.

Takes the options of the real one that matter here; those of tests come in the environment variable
FAKE_SGLANG as JSON: `increments` (a stream has new tokens only), `spans` (versions by token on the
last event), `sessions` (begin and end of an update), `delay_s` (a token), `room` (tokens that a
prompt and its completion may have), `tells_room`, `slots` (completions at a time), `nulls` (the
log-probabilities of broken weights), `stumbles` (updates that fail), `fails` (a file with a word
for each start: `yes`, it fails). A token is a hash of the weights and of all that came before it,
so a completion that was cut and resumed is the one that was not. POST /_fault breaks it on purpose:
see `Fault`.
"""

import argparse
import asyncio
import hashlib
import json
import os
import signal
from pathlib import Path

from aiohttp import web

VOCABULARY = range(3, 500)


class Fault:
    """What is wrong now, and for how many more requests or tokens."""

    def __init__(self) -> None:
        self.kind = ""
        self.left = 0

    def strikes(self, kind: str) -> bool:
        """Whether this fault happens here; each time uses one up."""
        if self.kind != kind or self.left == 0:
            return False
        self.left -= 1
        return True


class Server:
    """State of the one model."""

    def __init__(self, model: str, settings: dict) -> None:
        self.model, self.settings = model, settings
        self.label = "default"
        self.weights = "default"
        self.slots = asyncio.Semaphore(settings.get("slots", 1000))
        self.running = asyncio.Event()
        self.running.set()
        self.asked: set[str] = set()
        self.aborted: set[str] = set()
        self.in_session = False
        self.fault = Fault()
        self.calls: list[str] = []

    def app(self) -> web.Application:
        app = web.Application()
        app.middlewares.append(self.note)
        routes = {
            "/generate": self.generate, "/abort_request": self.abort,
            "/pause_generation": self.pause, "/continue_generation": self.go_on,
            "/update_weights_from_disk": self.update, "/_fault": self.break_it,
        }  # fmt: skip
        if self.settings.get("sessions", True):
            routes |= {"/begin_weight_update": self.begin, "/end_weight_update": self.end}
        for path, handler in routes.items():
            app.router.add_post(path, handler)
        app.router.add_get("/model_info", self.info)
        app.router.add_get("/_calls", self.told)
        if "room" in self.settings and self.settings.get("tells_room", True):
            app.router.add_get("/server_info", self.server_info)
        return app

    @web.middleware
    async def note(self, request, handler):
        if request.path != "/_calls":
            self.calls.append(request.path)
        if self.fault.kind == "deaf" and request.path != "/_fault":
            await asyncio.sleep(3600)
        if self.fault.strikes("500"):
            return web.Response(status=500, text="an exception was made up")
        return await handler(request)

    async def told(self, _):
        return web.json_response(self.calls)

    async def break_it(self, request):
        body = await request.json()
        self.fault.kind, self.fault.left = body["kind"], body.get("times", 1)
        if "label" in body:
            self.label = self.weights = body["label"]
        return web.json_response({})

    async def info(self, _):
        return web.json_response({"model_path": self.model, "weight_version": self.label})

    async def server_info(self, _):
        return web.json_response({"version": "0.5.23", "max_req_input_len": self.settings["room"]})

    async def abort(self, request):
        body = await request.json()
        self.aborted |= self.asked if body.get("abort_all") else {body["rid"]}
        return web.Response()

    async def pause(self, request):
        assert (await request.json())["mode"] == "retract"
        self.running.clear()
        return web.json_response({})

    async def go_on(self, _):
        self.running.set()
        return web.json_response({})

    async def begin(self, _):
        return self.turn_session(True, "a weight-update session is already open")

    async def end(self, _):
        return self.turn_session(False, "no weight-update session is open")

    def turn_session(self, on, complaint):
        if self.in_session == on:
            return web.json_response({"success": False, "message": complaint}, status=400)
        self.in_session = on
        return web.json_response({"success": True, "message": "Success"})

    async def update(self, request):
        body = await request.json()
        if self.settings.get("sessions", True) and not self.in_session:
            return web.json_response({"success": False, "message": "no session"}, status=400)
        if self.running.is_set():
            return web.json_response({"success": False, "message": "not paused"}, status=400)
        if not has_weights(body["model_path"]):
            message = f"no weights in {body['model_path']}"
            return web.json_response({"success": False, "message": message}, status=400)
        if self.fault.strikes("die in an update"):
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fault.strikes("half an update"):
            self.weights = "half"  # under the old name
            return web.Response(status=500, text="half of them are loaded")
        if self.settings.get("stumbles", 0):
            self.settings["stumbles"] -= 1
            return web.Response(status=500, text="the disk stumbles")
        self.label = self.weights = body["weight_version"]
        return web.json_response({"success": True, "message": "Succeeded"})

    async def generate(self, request):
        body = await request.json()
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        self.asked.add(body.get("rid"))
        most = body["sampling_params"]["max_new_tokens"]
        asked = len(body["input_ids"])
        room = self.settings.get("room", 1000 + most)
        if asked + most > room + 6:
            error = {"message": "the prompt is too long", "code": 400, "retryable": False}
            await response.write(b"data: " + json.dumps({"error": error}).encode() + b"\n\n")
            await response.write(b"data: [DONE]\n\n")
            return response
        async with self.slots:
            await self.write(response, body, min(most, room - asked))
        await response.write(b"data: [DONE]\n\n")
        return response

    async def write(self, response, body, most):
        ids, entries, spans, end = [], [], [], None
        while end is None:
            await asyncio.sleep(self.settings.get("delay_s", 0.001))
            await self.running.wait()
            if self.fault.strikes("die"):
                os.kill(os.getpid(), signal.SIGKILL)
            if self.fault.strikes("silent"):
                await asyncio.sleep(3600)
            if body.get("rid") in self.aborted or self.fault.strikes("abort"):
                end = {"type": "abort", "message": "aborted"}
            else:
                self.draw([*body["input_ids"], *ids], ids, entries, spans)
                end = {"type": "length", "length": most} if len(ids) == most else None
            await response.write(self.event(body, ids, entries, spans, end))

    def draw(self, context, ids, entries, spans):
        digest = hashlib.sha256(json.dumps([self.weights, context]).encode()).digest()
        token = VOCABULARY[int.from_bytes(digest[:4], "big") % len(VOCABULARY)]
        ids.append(token)
        entries.append([None if self.settings.get("nulls") else -digest[4] / 64, token, None])
        if not spans or spans[-1]["version"] != self.label:
            spans.append({"version": self.label, "start": len(ids) - 1, "end": len(ids)})
        spans[-1]["end"] = len(ids)

    def event(self, body, ids, entries, spans, end):
        new = slice(len(ids) - (end is None or end["type"] != "abort"), None)
        part = new if self.settings.get("increments", True) else slice(None)
        meta = {
            "id": body.get("rid"), "finish_reason": end, "weight_version": self.label,
            "completion_tokens": len(ids), "output_token_logprobs": entries[part],
        }  # fmt: skip
        if end is not None and self.settings.get("spans", True):
            meta["weight_versions"] = spans
        reply = {"text": "", "output_ids": ids[part], "meta_info": meta}
        return b"data: " + json.dumps(reply).encode() + b"\n\n"


def has_weights(directory: str) -> bool:
    return any(Path(directory).glob("*.safetensors"))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model-path")
    parser.add_argument("--port", type=int)
    arguments, _ = parser.parse_known_args()
    settings = json.loads(os.environ.get("FAKE_SGLANG", "{}"))
    if settings.get("broken"):
        raise SystemExit("the fake server has no GPU, it says")
    if settings.get("fails"):
        first, *rest = Path(settings["fails"]).read_text().split() or ["no"]
        Path(settings["fails"]).write_text(" ".join(rest))
        if first == "yes":
            raise SystemExit("the memory is not free yet, it says")

    async def app() -> web.Application:
        return Server(arguments.model_path, settings).app()

    web.run_app(app(), host="127.0.0.1", port=arguments.port, print=None, shutdown_timeout=0.1)


if __name__ == "__main__":
    main()
