"""What runs inside the jail: the zygote, the guest's harness and the value format.

Standard library only: the zygote imports this package without the rest of `sandbox`.
"""
