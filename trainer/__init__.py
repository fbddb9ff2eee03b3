"""The trainer turns groups of verified rollouts into a better policy; see docs/architecture.md."""
