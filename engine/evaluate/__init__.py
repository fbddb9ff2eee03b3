"""What a policy can do, measured apart from training: a frozen probe and a held-out exam."""
