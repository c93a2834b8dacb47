"""What a configuration asks for: sources, models, recipes, methods, and the runs of each figure."""
