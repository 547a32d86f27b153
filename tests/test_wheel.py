"""The wheel: it holds `sametask/` and nothing else, and every module of it can be imported in a clean environment."""

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of a copy of the checkout, so that building leaves nothing behind in it."""
    out = tmp_path_factory.mktemp("wheel")
    source = out / "source"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, tracked.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)]
    subprocess.run(build, check=True, capture_output=True)
    (found,) = out.glob("*.whl")
    return found


def modules(wheel: Path):
    names = [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".py")]
    dotted = {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in names}
    # Specimens are programs that talk to a server; they are run by the integration tests.
    return sorted(name for name in dotted if ".specimens." not in name)


def test_the_wheel_holds_only_sametask(wheel):
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"sametask"}


def test_the_wheel_holds_what_is_not_python(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for path in (*ROOT.glob("proto/*.proto"), *ROOT.glob("measurements/report/*.j2"), *ROOT.glob("measurements/report/*.css")):
        assert f"sametask/{path.relative_to(ROOT)}" in names


def test_every_module_imports_from_an_installed_wheel(wheel, tmp_path):
    """In an environment of its own that sees the pinned packages, but not this checkout."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], check=True, capture_output=True, text=True
    ).stdout.strip()
    zipfile.ZipFile(wheel).extractall(site)
    # The dependencies' folder comes after the wheel's, without its .pth files: so without the editable install.
    (Path(site) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    program = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
        "import sametask.agents\n"
        "print(sametask.agents.__file__)"
    )
    names = [name for name in modules(wheel) if not name.endswith("__main__")]
    ran = subprocess.run([python, "-I", "-c", program, *names], capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip().startswith(site)
