"""Settings that all tests share."""

from hypothesis import HealthCheck, settings

# Shared machines pause: a deadline would test the machine, and so would a health check of speed.
settings.register_profile(
    "kelvin", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("kelvin")
