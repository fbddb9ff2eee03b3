"""The contract between engine and trainer: messages, ring, weights, run directory."""

from engine.wire.acks import Ack, read_acks, write_ack
from engine.wire.codec import GROUP_SCHEMA, decode_group, encode_group
from engine.wire.errors import CorruptRecord, QuarantinedRecord, TornVersion, WireError
from engine.wire.files import append_jsonl, atomic_write, last_jsonl, read_jsonl
from engine.wire.inventory import (
    StrayReport,
    VersionReport,
    WeightsReport,
    weights_report,
)
from engine.wire.leases import Lease, lease, read_leases, release
from engine.wire.manifest import Manifest, combine_checksums, read_manifest, tensor_checksum
from engine.wire.messages import (
    Finish,
    Group,
    Kind,
    Part,
    Producer,
    Role,
    Rollout,
    Ruling,
    Sampling,
)
from engine.wire.parts import Joined, Rejoiner, split_group
from engine.wire.quarantine import keep_quarantined
from engine.wire.ring import Liveness, Record, RingReader, RingState, RingWriter
from engine.wire.rundir import Run, RunDir
from engine.wire.weights import latest_version, publish_weights, versions

__all__ = [
    "GROUP_SCHEMA",
    "Ack",
    "CorruptRecord",
    "Finish",
    "Group",
    "Joined",
    "Kind",
    "Lease",
    "Liveness",
    "Manifest",
    "Part",
    "Producer",
    "QuarantinedRecord",
    "Record",
    "Rejoiner",
    "RingReader",
    "RingState",
    "RingWriter",
    "Role",
    "Rollout",
    "Ruling",
    "Run",
    "RunDir",
    "Sampling",
    "StrayReport",
    "TornVersion",
    "VersionReport",
    "WeightsReport",
    "WireError",
    "append_jsonl",
    "atomic_write",
    "combine_checksums",
    "decode_group",
    "encode_group",
    "keep_quarantined",
    "last_jsonl",
    "latest_version",
    "lease",
    "publish_weights",
    "read_acks",
    "read_jsonl",
    "read_leases",
    "read_manifest",
    "release",
    "split_group",
    "tensor_checksum",
    "versions",
    "weights_report",
    "write_ack",
]
