"""A model's text: its tokenizer and chat template, read from a directory without torch."""

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from engine.policy.chat import ChatTemplate
from engine.policy.errors import PolicyError


class ModelText:
    """Between text and token ids, as one model has it. Raises PolicyError without a tokenizer."""

    def __init__(self, directory: Path) -> None:
        self._tokenizer = read_tokenizer(directory)
        self._chat = ChatTemplate(directory)

    def tokenize(self, text: str) -> list[int]:
        """The ids of a prompt, the token that begins every prompt once."""
        has_bos = bool(self._chat.bos) and text.startswith(self._chat.bos)
        return list(self._tokenizer.encode(text, add_special_tokens=not has_bos).ids)

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens, special ones left out."""
        return str(self._tokenizer.decode(tokens))

    def chat(self, user: str) -> str:
        """The model's chat template around one message; PolicyError where it has none."""
        return self._chat(user)


def read_tokenizer(directory: Path) -> Tokenizer:
    """The tokenizer alone; much quicker than through transformers, and as exact."""
    path = directory / "tokenizer.json"
    if not path.is_file():
        raise PolicyError(f"no tokenizer: expected {path}")
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing more precise
        raise PolicyError(f"{path} is not a tokenizer that can be read: {error}") from error
