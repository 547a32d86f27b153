"""Decoders that follow a connection from beside it, one file per protocol."""
