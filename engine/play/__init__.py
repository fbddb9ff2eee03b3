"""Self-play: who proposes next, what a proposal is worth, and how a round is played."""
