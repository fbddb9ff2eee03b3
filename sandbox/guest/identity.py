"""Layer: who the zygote and its guests are to the kernel, and what they may do: next to nothing.

Started by root, a zygote gets a uid of its own, and each of its slots, the places for guests, gets
another: guests that run side by side cannot signal or trace each other or the zygote, and share no
keyring and no count of processes. For that the zygote keeps three capabilities (kill, setuid,
setgid); a guest has none from its first step on. Started by an ordinary user, all have one uid and
no capability.
"""

import os
from dataclasses import dataclass

from sandbox.guest import kernel
from sandbox.guest.namespaces import NOBODY


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose uid a guest gets, and whether its slot has one of its own."""

    first_uid: int
    has_slots: bool

    @property
    def detail(self) -> str:
        """For the doctor."""
        if self.has_slots:
            return f"uid {self.first_uid} for the zygote, the next ones for its guests"
        return f"uid {self.first_uid} for all: not started by root, or without other uids"


def become_zygote(uid: int, slots: int) -> Identity:
    """Take the zygote's uid; OSError if there are capabilities that cannot be given up."""
    if os.geteuid() not in (0, uid):
        kernel.set_capabilities()
        return Identity(os.geteuid(), has_slots=False)
    has_slots = _can_become(uid) and _can_become(uid + slots)
    kernel.keep_capabilities()
    chosen = uid if has_slots else NOBODY if _can_become(NOBODY) else 0
    if chosen:
        _become(chosen)
    if has_slots:
        kernel.set_capabilities(kernel.CAP_KILL, kernel.CAP_SETGID, kernel.CAP_SETUID)
    else:  # a user namespace with few uids: one has to do
        kernel.set_capabilities()
    return Identity(chosen, has_slots=has_slots)


def _can_become(uid: int) -> bool:
    """Whether this user namespace has the uid, tried by a child."""
    child = os.fork()
    if child == 0:
        try:
            _become(uid)
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def _become(uid: int) -> None:
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def become_guest(identity: Identity, slot: int) -> None:
    """In the guest: its slot's uid, no capability."""
    if identity.has_slots:
        uid = identity.first_uid + 1 + slot
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        kernel.set_capabilities()
