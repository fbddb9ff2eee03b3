"""A stand-in for SGLang's compiled kernels where there is no wheel of them: a CPU without AMX.

SGLang imports these names with its modules and calls them in speculative decoding only. Each raises
if it is called after all. `convert_weight_packed` must stay absent: SGLang takes its presence for
that of kernels for AMX.
"""

from collections.abc import Callable

__version__ = "0.0.0+cpu.names"

_NAMES = (
    "assign_draft_cache_locs_contiguous_cpu",
    "assign_extend_cache_locs_cpu",
    "assign_req_to_token_pool_cpu",
    "build_draft_decode_metadata_cpu",
    "build_tree_kernel_efficient_cpu",
    "copy_all_layer_kv_cache_cpu",
    "fill_accept_out_cache_loc_cpu",
    "fill_bonus_tokens_cpu",
    "rotate_input_ids_cpu",
    "verify_tree_greedy_cpu",
)


def _missing(name: str) -> Callable[..., object]:
    def call(*_: object, **__: object) -> object:
        raise NotImplementedError(f"sgl_kernel.{name} has no CPU build here")

    return call


globals().update({name: _missing(name) for name in _NAMES})
