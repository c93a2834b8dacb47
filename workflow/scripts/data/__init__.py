"""The data and their formats: rows, prompts, prompt templates, languages, flags."""
