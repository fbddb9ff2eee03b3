"""The contract between engine and trainer: messages, ring, weights, run directory."""

from engine.wire.codec import GROUP_SCHEMA, decode_group, encode_group
from engine.wire.errors import CorruptRecord, QuarantinedRecord, WireError
from engine.wire.files import append_jsonl, atomic_write, last_jsonl, read_jsonl
from engine.wire.leases import Ack, lease, read_ack, release, write_ack
from engine.wire.manifest import Manifest, combine_checksums, read_manifest, tensor_checksum
from engine.wire.messages import Finish, Group, Kind, Role, Rollout
from engine.wire.ring import Liveness, Record, RingReader, RingState, RingWriter
from engine.wire.rundir import Run, RunDir
from engine.wire.weights import latest_version, publish_weights, versions

__all__ = [
    "GROUP_SCHEMA",
    "Ack",
    "CorruptRecord",
    "Finish",
    "Group",
    "Kind",
    "Liveness",
    "Manifest",
    "QuarantinedRecord",
    "Record",
    "RingReader",
    "RingState",
    "RingWriter",
    "Role",
    "Rollout",
    "Run",
    "RunDir",
    "WireError",
    "append_jsonl",
    "atomic_write",
    "combine_checksums",
    "decode_group",
    "encode_group",
    "last_jsonl",
    "latest_version",
    "lease",
    "publish_weights",
    "read_ack",
    "read_jsonl",
    "read_manifest",
    "release",
    "tensor_checksum",
    "versions",
    "write_ack",
]
