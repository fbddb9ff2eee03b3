"""The lock of a directory: held by one, let go by a kill, no silent wait for a suspended one."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from engine.wire import WireError
from engine.wire.files import exclusive
from engine.wire.process import lock_holders

HOLD = textwrap.dedent("""
    import sys
    from pathlib import Path
    from engine.wire.files import exclusive
    with exclusive(Path(sys.argv[1])):
        print("held", flush=True)
        sys.stdin.read()
""")


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_suspended_holder_is_named_instead_of_waited_for(tmp_path, holder):
    os.kill(holder.pid, signal.SIGSTOP)
    with (
        pytest.raises(WireError, match=rf"by pid {holder.pid}, .* kill -CONT {holder.pid}"),
        exclusive(tmp_path, patience_s=0.05),
    ):
        pass


def test_a_killed_holder_holds_nothing(tmp_path, holder):
    assert lock_holders(tmp_path) == {holder.pid}
    holder.kill()
    holder.wait()
    with exclusive(tmp_path):
        assert lock_holders(tmp_path) == {os.getpid()}
    assert lock_holders(tmp_path) == set()
