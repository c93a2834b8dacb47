"""Decoding, in this process or by a server, and the language of an answer."""
