"""Prompts for each role and kind, and the parsers of what comes back."""

from engine.prompts.parse import Answer, Malformed, Proposal, parse_answer, parse_proposal
from engine.prompts.render import Rendered, propose, solve

__all__ = [
    "Answer",
    "Malformed",
    "Proposal",
    "Rendered",
    "parse_answer",
    "parse_proposal",
    "propose",
    "solve",
]
