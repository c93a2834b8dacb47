"""A server that a job starts for itself, and the client of every OpenAI-compatible server."""
