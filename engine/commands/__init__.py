"""The commands of `engine` that look at a run; what is heavy is imported when a command runs."""
