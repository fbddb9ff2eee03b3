"""How a zygote jails itself, once, before its first guest; every guest inherits all of it.

Two steps because a pid namespace begins with the next child: `leave_namespaces` in the outer
process, `enter_jail` in the inner one, which forks the guests. The order is the argument: leave
the tree of files, give up the way back (no-new-privs, uid), then forbid what is left. Each layer
reports whether it is on and why not; the host decides what is mandatory.
"""

from collections.abc import Callable

from sandbox.guest import clock, identity, kernel, landlock, namespaces, rlimits, root
from sandbox.guest.identity import Identity

Report = dict[str, tuple[bool, str]]
"""Layer name -> (is it on, detail)."""

LEFT_OUT = (False, "left out on request")


class Jail:
    """The layers of one zygote as they go on; `skip` names those that a probe leaves out."""

    def __init__(self, *, skip: frozenset[str]) -> None:
        self.report: Report = {}
        self.identity = Identity(namespaces.NOBODY, has_slots=False)
        self._skip = skip

    def leave_namespaces(self) -> None:
        """In the outer process; its next child is inside."""
        self._apply("namespaces", namespaces.leave)

    def enter(self, *, uid: int, slots: int) -> None:
        """In the inner process: all the other layers that a zygote gives its guests."""
        if self.is_on("namespaces"):
            self._apply("root", root.enter_empty)
        else:
            self.report["root"] = (False, "needs the mount namespace")
        self._apply("no_new_privs", kernel.forbid_new_privileges)
        self._apply("uid", lambda: self._become(uid, slots))
        self._apply("landlock", landlock.deny_all)
        self._apply("mdwe", kernel.forbid_new_code)
        self._apply("clock", clock.probe_trap)
        self._apply("rlimits", rlimits.limit_zygote)
        kernel.forbid_dumps()
        kernel.die_with_parent()

    def is_on(self, layer: str) -> bool:
        """Whether it was applied."""
        return self.report.get(layer, (False, ""))[0]

    def _become(self, uid: int, slots: int) -> str:
        self.identity = identity.become_zygote(uid, slots)
        if not self.identity.has_slots:
            raise OSError(self.identity.detail)
        return self.identity.detail

    def _apply(self, layer: str, apply: Callable[[], str | None]) -> None:
        if layer in self._skip:
            self.report[layer] = LEFT_OUT
            return
        try:
            self.report[layer] = (True, apply() or "")
        except OSError as error:
            self.report[layer] = (False, error.strerror or str(error))
