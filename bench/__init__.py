"""Measures the hub, and what others would build instead, side by side on one machine (README.md)."""
