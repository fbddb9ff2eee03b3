"""A model's chat template, read from its directory when it is first needed.

The template is the model's own Jinja text and is rendered by transformers, in its sandboxed
environment; reading it costs a second, so a run that never chats never does.
"""

import json
from functools import cached_property
from pathlib import Path
from typing import Any

from engine.policy.errors import PolicyError


class ChatTemplate:
    """Renders one message of a user: `ChatTemplate(directory)(text)`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __call__(self, user: str) -> str:
        """The conversation up to where the reply begins; PolicyError without a template."""
        if self._tokenizer.chat_template is None:
            raise PolicyError(
                f"{self._directory} has no chat template; set engine.form to tags or blocks, or "
                "take a model that was tuned for chat"
            )
        messages = [{"role": "user", "content": user}]
        return str(
            self._tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True
            )
        )

    @cached_property
    def bos(self) -> str:
        """The text of the token that begins every prompt, empty if there is none.

        A template writes it out; whoever tokenizes the rendered text must not add it again.
        """
        path = self._directory / "tokenizer_config.json"
        settings = json.loads(path.read_text()) if path.is_file() else {}
        token = settings.get("bos_token")
        content = token.get("content") if isinstance(token, dict) else token
        return str(content or "")

    @cached_property
    def _tokenizer(self) -> Any:  # noqa: ANN401  # transformers has no type for it
        from transformers import AutoTokenizer

        try:
            return AutoTokenizer.from_pretrained(self._directory, local_files_only=True)
        except (OSError, ValueError) as error:
            raise PolicyError(
                f"{self._directory} has no tokenizer with a template: {error}"
            ) from error
