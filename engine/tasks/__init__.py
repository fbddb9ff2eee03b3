"""Tasks: what they are, where they are kept, where the first ones come from."""
