"""A server that a job starts for its own use, and the client for OpenAI-compatible servers."""
