"""A language model behind SGLang servers, spoken to over HTTP.

Read in this order: policy (the asyncio face), generation (one completion over any number of
requests), fleet (which server can be asked, with which weights), launch (a server of ours), client
(the endpoints), replies (what a stream says).
"""

from engine.policy.sglang.client import Patience
from engine.policy.sglang.policy import SGLangOptions, SGLangPolicy

__all__ = ["Patience", "SGLangOptions", "SGLangPolicy"]
