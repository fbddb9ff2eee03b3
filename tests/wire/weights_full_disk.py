"""Publishes on a disk that is fuller each time less, until it succeeds; prints how often it failed.

    unshare --user --map-root-user --mount python tests/wire/weights_full_disk.py DIRECTORY

Mounts a small tmpfs on DIRECTORY, in a namespace of its own, and leaves 0, 1, 2, ... pages free for
the second version. Exits with 1 and a traceback if a publish that fails leaves anything behind.
"""

import os
import subprocess
import sys
from pathlib import Path

from engine.wire import WireError, latest_version, publish_weights, tensor_checksum, versions

PAGE = os.sysconf("SC_PAGE_SIZE")
NUM_FILES = 4
FILE = bytes(3 * PAGE)


def write(directory):
    for number in range(NUM_FILES):
        (directory / f"{number}.safetensors").write_bytes(FILE)
    return {"w": tensor_checksum(FILE)}


def publish(root, version):
    return publish_weights(root, version=version, step=version, consumed={}, write=write)


def fill(ballast, *, free_pages):
    """Take all room but `free_pages`."""
    ballast.unlink(missing_ok=True)
    disk = os.statvfs(ballast.parent)
    ballast.write_bytes(bytes((disk.f_bavail - free_pages) * disk.f_frsize))
    assert os.statvfs(ballast.parent).f_bavail == free_pages


def fits(root, *, free_pages):
    """Whether another version can be published in so many pages; if not, it says why."""
    fill(root.parent / "ballast", free_pages=free_pages)
    try:
        publish(root, 1)
    except WireError as error:
        if "the disk is full" not in str(error):
            raise
        return False
    return True


def main(directory):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", directory], check=True)
    root = directory / "weights"
    first = publish(root, 0)
    contents = {file: (first.path / file).read_bytes() for file in first.files}
    num_failures = 0
    while not fits(root, free_pages=num_failures):
        num_failures += 1
        assert [entry.name for entry in root.iterdir()] == ["v000000"]
        assert latest_version(root) == first
        assert {file: (first.path / file).read_bytes() for file in first.files} == contents
    assert versions(root) == (0, 1)
    print(num_failures)  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
