"""What the host does to build a jail: compile the system-call filter and launch a zygote."""
