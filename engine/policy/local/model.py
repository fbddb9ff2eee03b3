"""Reading a model from a directory in the Hugging Face layout."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.utils import logging as transformers_logging

from engine.policy.errors import PolicyError


def read_model(directory: Path, *, device: str, dtype: str | None) -> PreTrainedModel:
    """The model, ready to sample, on `device`.

    A CPU without bfloat16 units is some fifty times slower in bfloat16, hence the default there.
    """
    if not (directory / "config.json").is_file():
        raise PolicyError(f"{directory} is not a model: it has no config.json")
    # a bar of its own would tear the live display
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            directory,
            dtype=dtype or ("float32" if device == "cpu" else "auto"),
            attn_implementation="sdpa",
            local_files_only=True,
        )
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise PolicyError(f"{directory} holds no causal language model: {reason}") from error
    torch.nn.Module.to(model, torch.device(device))
    torch.nn.Module.eval(model)
    return model


def end_tokens(model: PreTrainedModel, tokenizer: Tokenizer, *, directory: Path) -> frozenset[int]:
    """Every token that ends a text: the generation config's and the tokenizer's.

    They differ where a base model and its chat tuning end a text in different ways.
    """
    config = model.generation_config
    declared = config.eos_token_id if config else None
    ends = set(declared if isinstance(declared, list) else [declared])
    ends.add(_tokenizer_end(tokenizer, directory))
    return frozenset(token for token in ends if token is not None)


def _tokenizer_end(tokenizer: Tokenizer, directory: Path) -> int | None:
    path = directory / "tokenizer_config.json"
    settings = json.loads(path.read_text()) if path.is_file() else {}
    end = settings.get("eos_token")
    content = end.get("content") if isinstance(end, dict) else end
    return tokenizer.token_to_id(content) if content else None
