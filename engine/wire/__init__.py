"""The contract between engine and trainer: messages, ring, weights, run directory."""
