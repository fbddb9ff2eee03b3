"""What a round is played with: the model, the jail, a place in the queue, the rules, names."""

from dataclasses import dataclass, field
from hashlib import blake2b

from engine.config import EngineConfig
from engine.play.gate import Gate
from engine.play.judge import Ruling
from engine.play.occupancy import Occupancy
from engine.play.scheduler import Lanes
from engine.policy.protocol import Policy
from engine.prompts import Form, Rendered
from sandbox import Sandbox


@dataclass(slots=True, kw_only=True)
class Arena:
    """The parts that proposing and solving share."""

    config: EngineConfig
    policy: Policy
    sandbox: Sandbox
    run_id: bytes = bytes(16)
    occupancy: Occupancy = field(default_factory=Occupancy)
    gate: Gate = field(init=False)
    ruling: Ruling = field(init=False)

    def __post_init__(self) -> None:
        config = self.config
        self.gate = Gate(Lanes(config.max_in_flight), self.occupancy)
        self.ruling = Ruling(equality=config.equality, induction_check=config.induction_check)

    def text_of(self, prompt: Rendered) -> str:
        """The prompt as the policy continues it: chat goes through the model's own template."""
        return self.policy.chat(prompt.text) if prompt.form is Form.CHAT else prompt.text

    def name(self, *path: object) -> bytes:
        """16 bytes that are the same whenever this part of this run is played again."""
        text = "/".join(map(str, path))
        return blake2b(text.encode(), key=self.run_id, digest_size=16).digest()
