"""`python -m sametask.proto` compiles the .proto files beside it."""

from __future__ import annotations

import sys

from .compiling import HERE, CompileError, compile_into


def main() -> int:
    try:
        for path in compile_into(HERE):
            print(path.relative_to(HERE.parent))
    except CompileError as error:
        print(f"proto: {error}", file=sys.stderr)
        return 1
    return 0


sys.exit(main())
