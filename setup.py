"""Maps each top-level folder into the `sametask` package, so that nothing called `agents` lands in site-packages."""

from setuptools import find_packages, setup

FOLDERS = ("agents", "protocols", "proto", "measurements", "console")
setup(
    packages=[f"sametask.{f}{'.' + sub if sub else ''}" for f in FOLDERS for sub in ("", *find_packages(f))],
    package_dir={f"sametask.{folder}": folder for folder in FOLDERS},
    package_data={"": ["*.proto", "*.pyi", "*.j2", "*.css", "*.js", "py.typed", "*.json"]},
)
