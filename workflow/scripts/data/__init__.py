"""What goes in and in which form: rows, prompts, prompt templates, languages, flags."""
