"""Archives, folders and images are data: nothing that they hold is executed, and nothing is written where they say."""

import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.data.helpers import make_rgb_tree, make_rgb_zip
from tests.hostile.helpers import Touch, won

Run = Callable[..., tuple[int, str]]
# Pillow has Ghostscript run what it takes for PostScript, whatever the file is called.
POSTSCRIPT = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 64 64
%%EndComments
(won) (w) file closefile
showpage
%%EOF
"""


@pytest.fixture
def ghostscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of Ghostscript's name that leaves the file behind."""
    program = tmp_path / "bin" / "gs"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {Path.cwd() / 'won'}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize("form", ["folder", "archive"])
@pytest.mark.parametrize("suffix", ["jpg", "jpeg"])
@pytest.mark.usefixtures("ghostscript")
def test_an_image_that_is_a_program_is_not_run(run: Run, tmp_path: Path, form: str, suffix: str) -> None:
    root = tmp_path / "root"
    tree = make_rgb_tree(root / "2750", 4)
    (tree / f"River/River_9.{suffix}").write_bytes(POSTSCRIPT)
    if form == "archive":
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            for file in tree.rglob("*.jp*g"):
                archive.write(file, file.relative_to(root))
        root = tmp_path / "a.zip"
    code, printed = run("fit", "--data", "EuroSAT", "--data.init_args.root", str(root))
    assert (code, won()) == (2, False)
    assert f"River/River_9.{suffix}: not an image" in printed


@pytest.mark.usefixtures("trained")
@pytest.mark.usefixtures("ghostscript")
def test_an_image_to_predict_that_is_a_program_is_not_run(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "a.png").write_bytes(POSTSCRIPT)
    code, printed = run("predict", "--ckpt_path", "last", "--images", str(folder))
    assert (code, won()) == (2, False)
    assert "a.png: not an image" in printed


@pytest.mark.parametrize("name", ["../../won", "../won/River/River_9.jpg", "/{here}/won", "2750/River/../../won"])
def test_an_archive_writes_nowhere(run: Run, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "some" / "where"  # deep enough for what climbs out of it to be found
    folder.mkdir(parents=True)
    path = make_rgb_zip(folder / "a.zip", 4)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name.format(here=str(Path.cwd()).lstrip("/")), b"won")
    code, printed = run("fit", "--data", "EuroSAT", "--data.init_args.root", str(path))
    assert not [path for folder in (Path.cwd(), tmp_path) for path in folder.rglob("won")]
    assert code == 2
    assert "points outside" in printed


def test_pickles_of_cifar_are_not_run(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in ("batches.meta", "test_batch", *(f"data_batch_{n}" for n in range(1, 6))):
        (folder / name).write_bytes(pickle.dumps(Touch()))
    code, printed = run("fit", "--data", "CIFAR10", "--data.init_args.root", str(tmp_path))
    assert (code, won()) == (2, False)
    assert "cifar-10-batches-py" in printed
