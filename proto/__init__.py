"""Our own .proto sources and what grpcio-tools compiles from them: the typed services of the bundled agents.

`python -m sametask.proto` compiles them again.
"""
