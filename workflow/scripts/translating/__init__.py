"""From rows to segments for the Bergamot engine, and back."""
