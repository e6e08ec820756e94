"""CIFAR-10: read as published from folder and archive, never letting a pickle run anything."""

import hashlib
import io
import os
import pickle
import random
import shutil
import tarfile
import threading
import warnings
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eurosat_cls.data import CIFAR10
from eurosat_cls.data.cifar10_files import ARCHIVE, BATCHES, CLASS_NAMES, FOLDER, locate_or_download, read_batches
from eurosat_cls.utils.errors import UserError
from tests.data.generated import cifar10_batch, cifar10_images, make_cifar10, python2_pickle

LABELS = [n % 10 for n in range(20)]


def test_images_labels_and_names_are_those_of_the_batches(tmp_path: Path) -> None:
    data = CIFAR10(str(make_cifar10(tmp_path)))
    assert data.class_names == list(CLASS_NAMES)
    assert data.bands == ["B04", "B03", "B02"]
    assert data.store.images.shape == (120, 3, 32, 32)
    for row, file in enumerate(data.store.files):
        name, number = file.split("/")[1].rsplit("_", 1)
        image = cifar10_images(LABELS, BATCHES.index(name))[int(number)]
        assert np.array_equal(data.store.read(np.array([row]))[0], image)
        assert file.split("/")[0] == CLASS_NAMES[LABELS[int(number)]] == CLASS_NAMES[data.store.labels[row]]


def test_torchvision_reads_the_same_files_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cifar = pytest.importorskip("torchvision.datasets.cifar")
    monkeypatch.setattr(cifar, "check_integrity", lambda path, md5: True)
    make_cifar10(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy 2 on the place where numpy 1 had its functions
        theirs = cifar.CIFAR10(str(tmp_path), train=True)
    ours = read_batches(tmp_path / FOLDER)
    images = np.concatenate([ours[name].images for name in BATCHES[:5]])
    assert np.array_equal(images.transpose(0, 2, 3, 1), theirs.data)
    assert [label for name in BATCHES[:5] for label in ours[name].labels] == theirs.targets
    assert theirs.classes == list(CLASS_NAMES)


def test_archive_folder_and_their_parents_give_the_same_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, packed = make_cifar10(tmp_path / "a"), make_cifar10(tmp_path / "b", archive=True)
    stores = [CIFAR10(str(root)).store for root in (folder, folder / FOLDER, packed, packed / ARCHIVE)]
    monkeypatch.setenv("CIFAR10_ROOT", str(packed))
    stores.append(CIFAR10().store)
    monkeypatch.delenv("CIFAR10_ROOT")
    folder.rename(tmp_path / "data")
    stores.append(CIFAR10().store)
    for store in stores:
        assert store.files == stores[0].files
        assert np.array_equal(store.images, stores[0].images)
    assert sorted(path.name for path in packed.iterdir()) == [ARCHIVE], "nothing is extracted"


def test_the_official_split_tests_on_the_test_batch(tmp_path: Path) -> None:
    data = CIFAR10(str(make_cifar10(tmp_path, per_class=8)), val_fraction=0.25)
    parts = {part: [f.split("/")[1] for f in data.files(rows.tolist())] for part, rows in data.split.parts().items()}
    assert {name[:10] for name in parts["test"]} == {"test_batch"}
    assert len(parts["test"]) == 80
    assert not any(name.startswith("test") for name in parts["train"] + parts["val"])
    assert data.class_counts == [30] * 10
    assert np.bincount(data.store.labels[data.split.val]).tolist() == [10] * 10
    assert len({name[:12] for name in parts["val"]}) == 5, "all training batches take part"
    assert data.split.method == "official"
    make_cifar10(tmp_path / "again", per_class=8, archive=True)
    assert CIFAR10(str(tmp_path / "again"), val_fraction=0.25).split.sha256 == data.split.sha256


def test_other_splits_divide_everything_and_say_what_has_no_effect(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = CIFAR10(str(make_cifar10(tmp_path)), split="random")
    assert data.split.method == "random"
    assert data.class_counts == [7] * 10  # of all 12
    assert not caplog.records
    CIFAR10(str(tmp_path), split="random", val_fraction=0.2)
    assert "val_fraction has no effect" in caplog.text


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan")])
def test_a_senseless_share_is_refused(fraction: float) -> None:
    with pytest.raises(UserError, match="val_fraction must be between 0 and 1"):
        CIFAR10(val_fraction=fraction)


def test_the_store_follows_the_files(tmp_path: Path) -> None:
    make_cifar10(tmp_path)
    before = CIFAR10(str(tmp_path)).store.fingerprint
    assert CIFAR10(str(tmp_path)).store.fingerprint == before
    (tmp_path / FOLDER / "data_batch_3").write_bytes(cifar10_batch([*LABELS, 7], 2))
    store = CIFAR10(str(tmp_path)).store
    assert store.fingerprint != before
    assert len(store.files) == 121


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_batches_that_python_3_pickled_are_read_too(tmp_path: Path, protocol: int) -> None:
    make_cifar10(tmp_path)
    content = {"data": cifar10_images(LABELS, 0).reshape(20, 3072), "labels": LABELS}
    (tmp_path / FOLDER / "data_batch_1").write_bytes(pickle.dumps(content, protocol))
    batch = read_batches(tmp_path / FOLDER)["data_batch_1"]
    assert np.array_equal(batch.images, cifar10_images(LABELS, 0))
    assert batch.labels == LABELS


# --- hostile and damaged files --------------------------------------------------------------------------------------


class Command:
    """Pickles to a call."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize(
    ("call", "name"),
    [
        ((os.system, "touch executed"), r"(posix|nt).system"),
        ((eval, "open('executed', 'w')"), r"(__builtin__|builtins).eval"),
        ((getattr, "x", "format"), r"(__builtin__|builtins).getattr"),
        ((np.load, "x.npy"), r"numpy.*load"),
        ((np.array, [1]), r"numpy.*array"),
    ],
)
def test_a_pickle_that_calls_anything_is_refused_and_named(
    tmp_path: Path, call: tuple[Any, ...], name: str, protocol: int
) -> None:
    make_cifar10(tmp_path)
    evil = pickle.dumps({"data": Command(*call), "labels": []}, protocol)
    (tmp_path / FOLDER / "data_batch_4").write_bytes(evil)
    with pytest.raises(UserError, match=rf"data_batch_4: refused, the pickle asks for {name}") as caught:
        CIFAR10(str(tmp_path)).store  # noqa: B018
    assert "\n" not in str(caught.value)
    assert not Path("executed").exists()


def test_a_dotted_name_reaches_nothing_through_what_is_allowed(tmp_path: Path) -> None:
    make_cifar10(tmp_path)
    for module, name in [("numpy", "dtype.__init__.__globals__"), ("_codecs", "encode.__self__")]:
        evil = b"\x80\x04" + b"".join(b"\x8c" + bytes([len(s)]) + s.encode() for s in (module, name)) + b"\x93."
        (tmp_path / FOLDER / "data_batch_4").write_bytes(evil)
        with pytest.raises(UserError, match="refused, the pickle asks for"):
            read_batches(tmp_path / FOLDER)


def test_random_damage_is_only_ever_a_user_error(tmp_path: Path) -> None:
    folder = make_cifar10(tmp_path) / FOLDER
    whole = (folder / "data_batch_1").read_bytes()
    dice = random.Random(0)
    told = []
    for _ in range(300):
        head = bytearray(whole[:300])
        for _ in range(dice.randint(1, 4)):
            head[dice.randrange(len(head))] = dice.randrange(256)
        (folder / "data_batch_1").write_bytes(bytes(head) + whole[300:])
        try:
            read_batches(folder)
        except UserError as error:
            told.append("data_batch_1" in str(error))
    assert all(told)
    assert len(told) > 100


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"data_batch_2: damaged, or no batch of CIFAR-10 \(EOFError"),
        (cifar10_batch(LABELS, 1)[:5000], r"data_batch_2: damaged"),
        (python2_pickle([1, 2]), r"data_batch_2: no batch of CIFAR-10, it holds a list"),
        (python2_pickle({"labels": LABELS}), r"data_batch_2: its data are missing, expected uint8 \[n, 3072\]"),
        (python2_pickle({"data": np.zeros((20, 1024), np.uint8), "labels": LABELS}), r"of shape \[20, 1024\]"),
        (python2_pickle({"data": np.zeros((20, 3072), np.uint8), "labels": LABELS[1:]}), r"19 labels for 20 images"),
        (python2_pickle({"data": np.zeros((20, 3072), np.uint8), "fine_labels": LABELS}), r"no labels for 20 images"),
        (cifar10_batch(LABELS, 1).replace(b"J\x09\0\0\0", b"J\x0a\0\0\0"), r"a label is 10, expected 0 to 9"),
        (cifar10_batch(LABELS, 1).replace(b"J\x09\0\0\0", b"U\x03cat"), r"a label is 'cat', expected 0 to 9"),
        (pickle.dumps({"data": np.zeros((20, 3072)), "labels": LABELS}, 2), r"an array of f8"),
    ],
)
def test_what_is_no_batch_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    make_cifar10(tmp_path)
    (tmp_path / FOLDER / "data_batch_2").write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        CIFAR10(str(tmp_path)).store  # noqa: B018
    assert "\n" not in str(caught.value)


def test_missing_batches_and_other_classes_are_named(tmp_path: Path) -> None:
    folder = make_cifar10(tmp_path) / FOLDER
    (folder / "data_batch_5").unlink()
    with pytest.raises(UserError, match=r"data_batch_5 is missing"):
        CIFAR10(str(tmp_path)).store  # noqa: B018
    with pytest.raises(UserError, match=r"lacks data_batch_5: it is not all of CIFAR-10"):
        read_batches(folder)
    (folder / "data_batch_5").write_bytes(cifar10_batch(LABELS, 4))
    (folder / "batches.meta").write_bytes(python2_pickle({"label_names": ["apple"] * 10}))
    with pytest.raises(UserError, match=r"batches.meta names other classes"):
        CIFAR10(str(tmp_path)).store  # noqa: B018


def test_a_cut_or_foreign_archive_is_told(tmp_path: Path) -> None:
    path = make_cifar10(tmp_path, archive=True) / ARCHIVE
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"no archive", b""):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"is not a whole archive of CIFAR-10|lacks data_batch_1"):
            CIFAR10(str(tmp_path)).store  # noqa: B018
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo(f"{FOLDER}/data_batch_1")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
        archive.addfile(tarfile.TarInfo("../../outside"), io.BytesIO())
    with pytest.raises(UserError, match=r"lacks data_batch_1, data_batch_2"):
        CIFAR10(str(tmp_path)).store  # noqa: B018


def test_an_oversized_batch_is_not_read(tmp_path: Path) -> None:
    folder = make_cifar10(tmp_path) / FOLDER
    with open(folder / "data_batch_1", "wb") as stream:
        stream.truncate(65 * 2**20)
    with pytest.raises(UserError, match=r"data_batch_1: larger than"):
        read_batches(folder)


# --- getting it ------------------------------------------------------------------------------------------------------


def test_what_is_not_there_is_downloaded_once_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EUROSAT_CACHE", str(tmp_path / "cache"))
    make_cifar10(tmp_path / "www", archive=True)
    md5 = hashlib.md5((tmp_path / "www" / ARCHIVE).read_bytes()).hexdigest()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "www")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/{ARCHIVE}"
    try:
        with pytest.raises(UserError, match=r"has md5 .*, expected 0000(?s:.*)CIFAR10_ROOT"):
            locate_or_download(tmp_path / "absent", url, "0000")
        place = locate_or_download(tmp_path / "absent", url, md5)
    finally:
        server.shutdown()
        server.server_close()
    assert place == tmp_path / "cache" / "downloads" / ARCHIVE
    assert len(read_batches(place)) == 6
    shutil.rmtree(tmp_path / "www")
    assert locate_or_download(tmp_path / "absent", url, md5) == place
    assert CIFAR10(str(tmp_path / "absent")).store.source == str(place)


def test_without_data_and_network_the_ways_out_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EUROSAT_CACHE", str(tmp_path / "cache"))
    with pytest.raises(UserError) as caught:
        locate_or_download(tmp_path / "absent", f"http://127.0.0.1:1/{ARCHIVE}")
    message = str(caught.value)
    assert message.count("\n") == 2
    for part in ("absent, which does not exist", FOLDER, ARCHIVE, "CIFAR10_ROOT"):
        assert part in message
