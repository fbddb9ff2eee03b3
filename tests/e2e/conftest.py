"""A model for whole runs without a language."""

import pytest
import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM


@pytest.fixture
def model(tmp_path):
    """Wide enough for bytes as tokens, and small enough for a hundred steps in seconds."""
    directory = tmp_path / "model"
    torch.manual_seed(7)
    made = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=260,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=1024,
            bos_token_id=None,
            eos_token_id=None,
            tie_word_embeddings=True,
        )
    )
    made.config.save_pretrained(directory)
    tensors = {
        name: torch.randn(parameter.shape) * 0.2 if parameter.ndim > 1 else parameter.detach()
        for name, parameter in made.named_parameters()
    }
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
    return directory
