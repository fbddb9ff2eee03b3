"""A language model in this process, through transformers. The only part of the engine with torch.

Read in this order: policy (the asyncio face), worker (the thread that owns the model), decoder
(the model and its keys and values), prefix, sampler, weights.
"""

from engine.policy.local.policy import LocalOptions, LocalPolicy

__all__ = ["LocalOptions", "LocalPolicy"]
