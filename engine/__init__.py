"""The engine proposes, executes, scores and publishes; see docs/architecture.md."""
