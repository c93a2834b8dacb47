"""Rows as segments for the Bergamot engine, and back."""
