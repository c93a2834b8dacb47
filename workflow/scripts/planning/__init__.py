"""What a run will cost, and what Snakemake would do."""
