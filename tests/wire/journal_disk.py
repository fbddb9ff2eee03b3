"""A disk that loses power: which files may be there afterwards.

Files and names reach a disk apart from each other. What a sync of a file has returned from is in
the file; what was written since may be there, in part, or as zeros. A name is there once its
directory was synced; changes since then may be there in any selection. `Disk` watches the system
calls of a process and tells, at every one of them, what a power failure could leave.
"""

import os
import stat
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from unittest import mock

WATCHED = ("fsync", "fdatasync", "replace", "unlink", "ftruncate", "truncate", "pwrite")

REAL = {name: getattr(os, name) for name in WATCHED}


class KilledError(BaseException):
    """The process is gone; what it had asked for is all there is."""


class Disk:
    """Watches one directory; calls `at_crash(files)` with all that a power failure could leave."""

    def __init__(self, directory, at_crash):
        self.directory = directory
        self.at_crash = at_crash
        self.fuse = None  # system calls until the process is killed
        self.handles = {}  # inode: descriptor, so that no inode is used twice
        self.durable = {}  # inode: content
        self.names = {}  # what the last sync of the directory made durable
        self.pending = []  # changes of names since then: (name, inode or None)
        for path in directory.iterdir():
            inode = self._seen(path)
            self.durable[inode] = self._content(inode)
            self.names[path.name] = inode

    @contextmanager
    def watching(self):
        with mock.patch.multiple(os, **{name: self._watched(name) for name in WATCHED}):
            yield
        for handle in self.handles.values():
            os.close(handle)

    def _watched(self, name):
        call = getattr(os, name)
        effect = getattr(self, f"_{name}", None)

        def watched(*arguments, **options):
            self._burn()
            before = effect(*arguments) if name in ("unlink", "replace") else None
            self._crash()
            result = call(*arguments, **options)
            if before:
                self.pending += before
            elif effect and name not in ("unlink", "replace"):
                effect(*arguments)
            self._crash()
            return result

        return watched

    def _burn(self):
        if self.fuse is not None:
            if self.fuse == 0:
                raise KilledError
            self.fuse -= 1

    def _fsync(self, descriptor):
        if os.path.samestat(os.fstat(descriptor), self.directory.stat()):
            self.names = apply(self.names, self.pending)
            self.pending = []
        elif stat.S_ISREG(os.fstat(descriptor).st_mode):
            inode = self._seen(f"/proc/self/fd/{descriptor}")
            self.durable[inode] = self._content(inode)

    _fdatasync = _fsync

    def _replace(self, source, target):
        return [(Path(target).name, self._seen(source))]

    def _unlink(self, path, **_):
        return [(Path(path).name, None)] if Path(path).exists() else []

    def _seen(self, path):
        handle = os.open(path, os.O_RDONLY)
        inode = os.fstat(handle).st_ino
        if self.handles.setdefault(inode, handle) != handle:
            os.close(handle)
        return inode

    def _content(self, inode):
        handle = self.handles[inode]
        return os.pread(handle, os.fstat(handle).st_size, 0)

    def _crash(self):
        for chosen in product([False, True], repeat=len(self.pending)):
            changes = [c for c, is_in in zip(self.pending, chosen, strict=True) if is_in]
            names = {n: i for n, i in apply(self.names, changes).items() if is_kept(n)}
            contents = [self._contents(inode) for inode in names.values()]
            for files in product(*contents):
                with mock.patch.multiple(os, **REAL):
                    self.at_crash(dict(zip(names, files, strict=True)))

    def _contents(self, inode):
        """What may be in a file."""
        durable, now = self.durable.get(inode, b""), self._content(inode)
        found = {durable, now}
        if len(now) > len(durable):
            new = len(now) - len(durable)
            for length in {1, new // 3, new // 2, new - 1}:
                kept = now[: len(durable) + length]
                found |= {kept, kept + bytes(new - length)}
            found.add(durable + bytes(new))
            found.add(durable + bytes(new // 2) + now[len(durable) + new // 2 :])
        return sorted(found)


def apply(names, changes):
    names = dict(names)
    for name, inode in changes:
        names[name] = inode
    return {name: inode for name, inode in names.items() if inode is not None}


def is_kept(name):
    return name != "lock" and not name.endswith(".tmp")
