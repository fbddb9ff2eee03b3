"""The model's side of the link: one engine's messages in, chunks out.

Three threads: the caller of `run` loads the model and is its worker; one reads the link; one more
for each load reads and verifies files while sampling goes on. The end of the link is an order to
stop, so no model outlives its engine.
"""

import logging
import socket
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

import torch

from engine.policy.errors import PolicyError, RefusedWeights
from engine.policy.local.decoder import Decoder
from engine.policy.local.link import (
    Abort,
    Delivery,
    Failed,
    Load,
    Loaded,
    Message,
    Open,
    Ready,
    Refused,
    Stop,
    Submit,
    encode,
    receive,
)
from engine.policy.local.model import end_tokens, read_model
from engine.policy.local.prefix import PrefixCache
from engine.policy.local.weights import stage_weights
from engine.policy.local.worker import Chunks, Command, Swap, Worker
from engine.policy.tokens import read_tokenizer

logger = logging.getLogger(__name__)


class Server:
    """Serves a model over a connected socket, which it closes: `Server(link).run()`."""

    worker: Worker
    """Once the model is loaded."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._messages = receive(link)
        self._inbox: SimpleQueue[Command] = SimpleQueue()
        self._sending = threading.Lock()

    def run(self) -> None:
        """Load what the engine asks for and sample until it says stop, or is gone."""
        try:
            opening = next(self._messages, None)
            if isinstance(opening, Open):
                self.worker = self._build(opening)
                self._send(Ready(self.worker.decoder.max_length))
                threading.Thread(target=self._listen, name="link", daemon=True).start()
                self.worker.run()
        except PolicyError as error:
            self._send(Failed(f"the local policy has failed: {error}"))
        except Exception as error:  # the process's boundary; the engine gets the reason
            logger.exception("the local policy has failed")
            self._send(Failed(f"the local policy has failed: {error}"))
        finally:
            with suppress(OSError):  # closing alone would leave a thread in its read
                self._link.shutdown(socket.SHUT_RDWR)
            self._link.close()

    def _build(self, opening: Open) -> Worker:
        directory, options = Path(opening.directory), opening.options
        if options.threads is not None:
            torch.set_num_threads(options.threads)
        model = read_model(directory, device=options.device, dtype=options.dtype)
        tokenizer = read_tokenizer(directory)
        with torch.inference_mode():
            decoder = Decoder(model, slots=options.max_batch)
        return Worker(
            decoder=decoder,
            prompts=PrefixCache(decoder, max_tokens=options.prefix_tokens),
            decode_text=tokenizer.decode,
            end_tokens=end_tokens(model, tokenizer, directory=directory),
            version=opening.version,
            inbox=self._inbox,
            deliver=self._deliver,
            recompute=options.recompute,
        )

    def _listen(self) -> None:
        try:
            for message in self._messages:
                match message:
                    case Submit() | Abort() | Stop():
                        self._inbox.put(message)
                    case Load():
                        threading.Thread(target=self._stage, args=[message], daemon=True).start()
        except Exception as error:  # the thread's boundary; nobody would listen any more
            logger.exception("the engine is not understood")
            self._send(Failed(f"the local policy has failed: {error}"))
        finally:
            self._inbox.put(Stop())

    def _stage(self, load: Load) -> None:
        model = self.worker.decoder.model
        try:
            staged = stage_weights(model, Path(load.directory), expected=load.expected)
        except PolicyError as error:
            self._send(Refused(load.key, str(error), isinstance(error, RefusedWeights)))
            return
        except Exception as error:  # the thread's boundary; nothing was used
            logger.exception("weights cannot be read")
            self._send(Refused(load.key, f"{load.directory} cannot be read: {error}", False))
            return

        def reply(checksum: str) -> None:
            self._send(Loaded(load.key, load.version, checksum))

        self._inbox.put(Swap(staged, load.version, reply))

    def _deliver(self, chunks: Chunks) -> None:
        self._send(Delivery(tuple(chunks), replace(self.worker.stats)))

    def _send(self, message: Message) -> None:
        with self._sending, suppress(OSError):  # an engine that is gone has asked for nothing
            self._link.sendall(encode(message))
