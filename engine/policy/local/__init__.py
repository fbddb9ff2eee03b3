"""A language model in a process of its own, through transformers; torch is nowhere else here.

Read in this order: policy (the asyncio face), link (what the two processes say), server (the other
end), worker (who owns the model), decoder (the model and its keys and values), prefix, sampler,
weights.
"""

from engine.policy.local.link import LocalOptions
from engine.policy.local.policy import LocalPolicy

__all__ = ["LocalOptions", "LocalPolicy"]
