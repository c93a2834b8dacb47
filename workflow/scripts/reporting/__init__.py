"""From scores to figures, tables and claims."""
