"""Shipped configurations; see engine/config.py."""
