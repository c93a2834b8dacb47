"""What a run will take, and what Snakemake would do."""
