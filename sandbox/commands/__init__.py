"""The commands of `sandbox`, one module each; what is heavy is imported when a command runs."""
