"""The judge: its settings, calls, limits, costs and ratings."""
