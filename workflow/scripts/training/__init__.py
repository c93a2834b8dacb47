"""The optimizer step, its ranks, checkpoints and losses."""
