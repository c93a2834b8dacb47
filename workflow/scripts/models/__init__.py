"""Base models, tokenizers and tuned models on disk."""
