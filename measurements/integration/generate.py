"""Generate the OpenAPI client that the specimen `rest_openapi` uses: `python -m sametask.measurements.integration.generate`."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PACKAGE = "sametask_client"
GENERATED = Path(__file__).parent / "generated"


async def openapi_document() -> dict[str, Any]:
    """The document that the REST server gives at /openapi.json for the bundled agents."""
    import anyio

    from ...agents.runtime import open_engine
    from ...agents.team import team
    from ...protocols.rest.server import application
    from ...protocols.rest.streams import Service

    async with open_engine("sqlite:///:memory:", team()) as engine:
        return application(Service(engine, 2**20, anyio.Event())).openapi()


def generate_into(folder: Path, document: dict[str, Any]) -> Path:
    """Generate the client's package below `folder`, replacing what is there. Shape: the package's path.

    Raises: subprocess.CalledProcessError, with the generator's own words on stderr.
    """
    package = folder / PACKAGE
    # Outside of the checkout, whose settings keep ruff, the generator's formatter, away from generated code.
    with tempfile.TemporaryDirectory() as scratch:
        source, made = Path(scratch, "openapi.json"), Path(scratch, PACKAGE)
        source.write_text(json.dumps(document))
        beside = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        command = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none", "--fail-on-warning"]
        subprocess.run(
            [*command, "--path", str(source), "--output-path", str(made)],
            check=True,
            stdout=subprocess.DEVNULL,
            env=os.environ | {"PATH": beside},
        )
        shutil.rmtree(made / ".ruff_cache", ignore_errors=True)
        shutil.rmtree(package, ignore_errors=True)
        shutil.copytree(made, package)
    return package


if __name__ == "__main__":
    print(generate_into(GENERATED, asyncio.run(openapi_document())))
