"""Compile the .proto files of this folder into Python modules, with grpcio-tools."""

from __future__ import annotations

import re
import tempfile
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

HERE = Path(__file__).parent
IMPORTED_AS = "sametask/proto"
"""The path under which .proto files import each other, and so the place of the modules."""

_OWN_IMPORT = re.compile(rf"^from {IMPORTED_AS.replace('/', '.')} import ", re.MULTILINE)


# What pyright strict has against the .pyi files of grpcio-tools 1.85: imports for their effect, and a file-level ClassVar.
_PYI_HEAD = "# pyright: reportUnusedImport=false, reportMissingTypeStubs=false, reportInvalidTypeForm=false\n"
_BARE_MAPPING = re.compile(r"\b_Mapping\b(?=\])")


class CompileError(Exception):
    """protoc refused a file; it has said why on stderr."""


def sources() -> list[Path]:
    return sorted(HERE.glob("*.proto"))


def compile_into(folder: Path) -> list[Path]:
    """Compile every source into `folder`, which needs not be this one. Shape: the files written; for each `NAME.proto`
    its `NAME_pb2.py`, `NAME_pb2.pyi` and `NAME_pb2_grpc.py`.

    Raises: CompileError.
    """
    # Neither library has types.
    protoc = cast(Any, import_module("grpc_tools.protoc"))
    common_protos = Path(str(import_module("google.rpc.status_pb2").__file__)).parents[2]

    written: list[Path] = []
    with tempfile.TemporaryDirectory() as temporary:
        code = protoc.main(
            [
                "protoc",
                f"--proto_path={IMPORTED_AS}={HERE}",
                f"--proto_path={files('grpc_tools') / '_proto'}",
                f"--proto_path={common_protos}",
                f"--python_out={temporary}",
                f"--pyi_out={temporary}",
                f"--grpc_python_out={temporary}",
                *(f"{IMPORTED_AS}/{source.name}" for source in sources()),
            ]
        )
        if code:
            raise CompileError(f"protoc ended with {code}")
        for made in sorted((Path(temporary) / IMPORTED_AS).iterdir()):
            # protoc knows only absolute imports of its own files; these modules live in a package, wherever that is.
            text = _OWN_IMPORT.sub("from . import ", made.read_text())
            if made.suffix == ".pyi":
                text = _PYI_HEAD + _BARE_MAPPING.sub("_Mapping[str, object]", text)
            written.append(folder / made.name)
            written[-1].write_text(text)
    return written
