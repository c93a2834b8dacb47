"""Decoding, in this process or by a server, and identifying the language of an answer."""
