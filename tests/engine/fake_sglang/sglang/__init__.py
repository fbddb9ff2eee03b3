"""What `python -m sglang.launch_server` finds instead of SGLang, in tests."""
