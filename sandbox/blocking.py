"""The sandbox for code that has no event loop: a trainer's reward function, a notebook, a thread.

One background thread runs an event loop with one `Sandbox` in it; every method hands its work to
that loop and waits. So any number of threads may use one `BlockingSandbox`, and calls from all of
them share its zygotes, first come, first served.

The zygotes are children of that thread, and the kernel kills them when it ends: they live exactly
as long as it does, and it lives from `__enter__` to `close`. Whoever forgets to close loses
nothing: the thread does not keep the interpreter from ending, and ends with it.

Who waits for whom: a caller for its outcome, unblocked by the verdict, by `close`, or by an
exception of its own (Ctrl-C), which takes the guest down with it. `close` waits for the thread,
which waits for the zygotes to be gone, a few seconds at most.

A fork of the process has no such thread, so nothing would ever answer there: every method says so
with an error, and leaving the `with` block in the fork does nothing.
"""

import asyncio
import itertools
import logging
import os
import threading
from collections import deque
from collections.abc import Collection, Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from types import TracebackType
from typing import Self, TypeVar, overload

from sandbox.call import Call, Outcome
from sandbox.certify import Certificate, Rejection, certify
from sandbox.errors import SandboxError
from sandbox.inspection import Inspection
from sandbox.jails import Jail
from sandbox.limits import Limits
from sandbox.modules import GUEST_MODULES, TASK_MODULES
from sandbox.pool import Sandbox
from sandbox.script import Script, ScriptOutcome
from sandbox.status import Status

logger = logging.getLogger(__name__)

T = TypeVar("T")
_CLOSED = "the sandbox was closed"
_AHEAD = 4
"""Calls of a `map` under way for each zygote: enough to keep it busy while results are read."""


class BlockingSandbox:
    """Runs programs in isolation. A context manager, used from any thread of one process.

    Takes what `Sandbox` takes; its methods are `Sandbox`'s, and wait.
    """

    def __init__(
        self,
        *,
        workers: int = 2,
        slots: int = 4,
        limits: Limits | None = None,
        require: Collection[str] = (),
        jail: Jail = "auto",
        cgroup: bool = False,
        modules: Sequence[str] = GUEST_MODULES,
        task_modules: Sequence[str] = TASK_MODULES,
    ) -> None:
        self._sandbox = Sandbox(
            workers=workers,
            slots=slots,
            limits=limits,
            require=require,
            jail=jail,
            cgroup=cgroup,
            modules=modules,
            task_modules=task_modules,
        )
        self._pid = os.getpid()
        self._home: _Home | None = None
        self._was_closed = False

    def __enter__(self) -> Self:
        self._check_process()
        if self._home is not None or self._was_closed:
            raise SandboxError("a BlockingSandbox is opened once; make another")
        self._home = _Home(self._sandbox)
        try:
            self._home.open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill every guest and zygote; whoever waits gets SandboxError. Again: does nothing."""
        if os.getpid() != self._pid:
            return
        home, self._home, self._was_closed = self._home, None, True
        if home is not None:
            home.close()

    def run(
        self,
        call: Call,
        *,
        family: int | None = None,
        other_than: Collection[int] = (),
        limits: Limits | None = None,
    ) -> Outcome:
        """Run one call to its verdict; raises only for faults of ours."""
        return self._wait(
            self._sandbox.run(call, family=family, other_than=other_than, limits=limits)
        )

    def run_script(self, script: Script, *, limits: Limits | None = None) -> ScriptOutcome:
        """Run a whole program from its stdin to its stdout; raises only for faults of ours."""
        return self._wait(self._sandbox.run_script(script, limits=limits))

    def inspect(self, source: str) -> Inspection:
        """Static facts of a program."""
        return self._wait(self._sandbox.inspect(source))

    def strip(self, source: str) -> str:
        """The program's imports and definitions alone; empty for what is no program."""
        return self._wait(self._sandbox.strip(source))

    def certify(self, *, program: str, args: Sequence[str]) -> Certificate | Rejection:
        """Is this program a function? See `sandbox.certify`."""
        return self._wait(certify(self._sandbox, program=program, args=args))

    @overload
    def map(self, requests: Iterable[Call]) -> Iterator[Outcome]: ...

    @overload
    def map(self, requests: Iterable[Script]) -> Iterator[ScriptOutcome]: ...

    def map(self, requests: Iterable[Call | Script]) -> Iterator[Outcome | ScriptOutcome]:
        """The outcomes, in the order of the requests, a bounded number of them ahead of the reader.

        Takes from `requests` as it goes, so they may be endless; a reader that stops early takes
        the guests it has not read down with it.
        """
        return self._outcomes(self._open_home(), requests)

    def status(self) -> Status:
        """A snapshot: layers, queue and counters."""
        return self._wait(self._snapshot())

    @property
    def num_zygotes(self) -> int:
        """How many zygotes a call can be sent to."""
        return self._sandbox.num_zygotes

    def _outcomes(
        self, home: "_Home", requests: Iterable[Call | Script]
    ) -> Iterator[Outcome | ScriptOutcome]:
        rest, waiting = iter(requests), deque[Future[Outcome | ScriptOutcome]]()
        try:
            while True:
                room = _AHEAD * self.num_zygotes - len(waiting)
                waiting.extend(home.submit(self._one(r)) for r in itertools.islice(rest, room))
                if not waiting:
                    return
                yield self._result(waiting.popleft())
        finally:
            for future in waiting:
                future.cancel()

    async def _one(self, request: Call | Script) -> Outcome | ScriptOutcome:
        if isinstance(request, Script):
            return await self._sandbox.run_script(request)
        return await self._sandbox.run(request)

    async def _snapshot(self) -> Status:
        return self._sandbox.status()

    def _wait(self, work: Coroutine[None, None, T]) -> T:
        try:
            home = self._open_home()
        except BaseException:
            work.close()
            raise
        return self._result(home.submit(work))

    def _result(self, future: Future[T]) -> T:
        """Wait for it; an exception that ends the wait ends the work too."""
        self._check_process()
        try:
            return future.result()
        except CancelledError:
            raise SandboxError(_CLOSED) from None
        except SandboxError as error:
            if self._was_closed:  # whatever it stumbled over first
                raise SandboxError(_CLOSED) from error
            raise
        except BaseException:
            future.cancel()
            raise

    def _open_home(self) -> "_Home":
        self._check_process()
        if self._home is not None:
            return self._home
        if self._was_closed:
            raise SandboxError(_CLOSED)
        raise SandboxError("the sandbox is not open: use it as `with BlockingSandbox() as s`")

    def _check_process(self) -> None:
        if os.getpid() != self._pid:
            raise SandboxError(
                f"this sandbox belongs to process {self._pid}, of which this one is a fork:"
                " make a BlockingSandbox here, after the fork"
            )


class _Home:
    """The thread, its event loop, and the sandbox that is open in it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._loop = asyncio.new_event_loop()
        self._closing = asyncio.Event()
        self._opened: Future[None] = Future()
        self._lock = threading.Lock()
        self._is_over = False
        """Guarded by the lock: once set, the loop takes no more work."""
        self._thread = threading.Thread(target=self._run, name="sandbox", daemon=True)

    def open(self) -> None:
        """Start the thread; returns, or raises, when the zygotes are there or cannot be."""
        self._thread.start()
        self._opened.result()

    def submit(self, work: Coroutine[None, None, T]) -> Future[T]:
        """Have the loop do it."""
        with self._lock:
            if not self._is_over:
                return asyncio.run_coroutine_threadsafe(work, self._loop)
        work.close()
        raise SandboxError(_CLOSED)

    def close(self) -> None:
        """End the sandbox and the thread; waits for both."""
        with self._lock:
            if not self._is_over:
                self._loop.call_soon_threadsafe(self._closing.set)
        if self._thread.ident is None:  # it could not be started
            self._loop.close()
        else:
            self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            try:
                runner.run(self._live())
            except BaseException as error:  # whoever opens it must learn why not
                if self._opened.done():
                    logger.exception("the sandbox did not end as it should")
                else:
                    self._opened.set_exception(error)
            with self._lock:
                self._is_over = True  # the runner cancels what had been submitted before

    async def _live(self) -> None:
        async with self._sandbox:
            self._opened.set_result(None)
            await self._closing.wait()
