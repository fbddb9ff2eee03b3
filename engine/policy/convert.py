"""A GGUF file becomes a directory in the Hugging Face layout.

transformers reads the file and undoes its quantisation, but calls the result a quantised model and
refuses to save it; so the weights move into a fresh model of the same class.

The weights are stored as bfloat16, the precision the model was first published in: the four-bit
rounding of the source is some twenty times coarser, and the directory is half as large as with
float32. The policy and the trainer widen them to float32 on a CPU.
"""

import copy
import io
from contextlib import redirect_stderr
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from engine.policy.errors import PolicyError

_EMBEDDING = "model.embed_tokens.weight"
_HEAD = "lm_head.weight"
_TIED_BELOW = 0.1  # two quantisations of one matrix differ by 4 to 8 %, two matrices by far more


def convert_gguf(gguf: Path, *, into: Path) -> None:
    """Write config, weights (bfloat16) and tokenizer of `gguf` into the directory `into`."""
    with redirect_stderr(io.StringIO()):  # progress bars; the caller has said what goes on
        try:
            tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
            loaded = AutoModelForCausalLM.from_pretrained(
                gguf.parent, gguf_file=gguf.name, dtype=torch.float32
            )
        except (ImportError, OSError, ValueError) as error:
            raise PolicyError(f"{gguf.name} cannot be converted: {error}") from error
        model = _fresh(loaded, gguf.name)
        ends = model.generation_config
        ends.bos_token_id, ends.eos_token_id = tokenizer.bos_token_id, tokenizer.eos_token_id
        ends.pad_token_id = tokenizer.pad_token_id
        model.save_pretrained(into)
        tokenizer.save_pretrained(into)


def _fresh(loaded: PreTrainedModel, name: str) -> PreTrainedModel:
    """The same model without a memory of its quantisation."""
    config = copy.deepcopy(loaded.config)
    state = dict(loaded.state_dict())
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    config.tie_word_embeddings = _tie(state)
    model = type(loaded)(config).bfloat16()
    missing, unexpected = model.load_state_dict(state, strict=False)
    model.tie_weights()
    if unexpected or set(missing) - {_HEAD}:
        raise PolicyError(f"{name} lacks {missing} and has the unknown {unexpected}")
    return model


def _tie(state: dict[str, torch.Tensor]) -> bool:
    """Whether input and output embedding are one matrix; if so `state` keeps one of them.

    Some files carry both, quantised differently; the output's is the finer one.
    """
    if _HEAD not in state:
        return True
    head, embedding = state[_HEAD], state[_EMBEDDING]
    if head.shape != embedding.shape or (head - embedding).norm() > _TIED_BELOW * head.norm():
        return False
    state[_EMBEDDING] = head
    del state[_HEAD]
    return True
