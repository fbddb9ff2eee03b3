"""Where completions come from: one protocol, several policies."""
