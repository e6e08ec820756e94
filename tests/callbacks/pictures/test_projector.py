"""The projector's files: features of a fixed sample, what is known of each patch, and nothing else touched."""

import json
import urllib.parse
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from eurosat_cls import Classifier, Trainer, UserError, load
from eurosat_cls.callbacks import Projector, WeightAverage
from eurosat_cls.data import Demo
from tests.conftest import BARE
from tests.models.test_classifier import TINY
from tests.tensorboard_server import read, tensorboard

Run = Callable[..., tuple[int, str]]
RUN = Path("lightning_logs/version_0")


def on(**arguments: Any) -> tuple[str, str]:
    return "--pictures", json.dumps([{"class_path": "Projector", "init_args": arguments}])


def metadata() -> list[list[str]]:
    return [line.split("\t") for line in (RUN / "projector/metadata.tsv").read_text().splitlines()]


def test_features_are_those_of_the_encoder_with_their_patches(run: Run) -> None:
    assert run("fit", *on(patches=20, spherize=True))[0] == 0
    arrays = np.load(RUN / "embeddings.npz", allow_pickle=False)
    assert arrays["features"].shape == (20, 16)
    data = Demo(patches_per_class=20)
    rows = np.array([data.store.files.index(file) for file in arrays["files"]])
    assert set(rows) <= set(data.split.val)
    assert np.bincount(arrays["labels"]).tolist() == [2] * 10, "a stratified sample"
    assert (data.store.labels[rows] == arrays["labels"]).all()
    model = load(RUN / "checkpoints/last.ckpt")
    images = torch.from_numpy(data.store.read(rows))
    with torch.no_grad():
        expected = model.encoder(model.normalize(images))
    np.testing.assert_allclose(arrays["features"], expected, rtol=1e-4, atol=1e-5)
    assert arrays["predicted"].tolist() == model.predict(images).names

    header, *lines = metadata()
    assert header == ["class", "predicted", "correct", "file"]
    assert [line[3] for line in lines] == arrays["files"].tolist()
    names = arrays["class_names"]
    assert all(line[0] == names[label] for line, label in zip(lines, arrays["labels"], strict=True))
    assert all((line[0] == line[1]) == (line[2] == "yes") for line in lines)
    written = np.loadtxt(RUN / "projector/features.tsv", delimiter="\t")
    np.testing.assert_allclose(written, arrays["features"], rtol=1e-4, atol=1e-5)
    spherized = np.loadtxt(RUN / "projector/features_spherized.tsv", delimiter="\t")
    np.testing.assert_allclose(np.linalg.norm(spherized, axis=1), 1, rtol=1e-4)
    with Image.open(RUN / "projector/sprite.png") as sprite:
        assert sprite.size == (160, 160)
        first = np.asarray(sprite)[:32, :32].astype(int)
    patch = images[0].permute(1, 2, 0).numpy()[::2, ::2].astype(float)
    assert np.corrcoef(first.flatten(), patch.flatten())[0, 1] > 0.7


def test_a_training_is_the_same_with_and_without_it_and_nothing_accumulates(run: Run) -> None:
    assert run("fit", "--pictures", "[]")[0] == 0
    plain = torch.load(RUN / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    assert run("fit", *on(patches=20, every_n_epochs=1))[0] == 0
    second = Path("lightning_logs/version_1")
    watched = torch.load(second / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(plain[name], watched[name]) for name in plain)
    found = sorted(str(path.relative_to(second)) for path in second.glob("projector*/*"))
    assert found == ["projector/features.tsv", "projector/metadata.tsv", "projector/sprite.png"]
    assert (second / "projector_config.pbtxt").read_text().count("embeddings {") == 1


def test_modes_gradients_random_state_and_hooks_are_left_as_found(tmp_path: Path) -> None:
    states: list[list[Any]] = []

    def state(module: Classifier) -> list[Any]:
        legacy: Any = np.random.get_state()  # noqa: NPY002
        return [
            [part.training for part in module.modules()],
            [None if p.grad is None else p.grad.sum().item() for p in module.parameters()],
            [value.sum().item() for value in module.state_dict().values()],
            torch.random.get_rng_state().tolist(),
            legacy[1].tolist(),
            [part for part in module.modules() if part._forward_hooks],
        ]

    class Watched(Projector):
        def draw(self, trainer: Any, module: Any, *rest: Any) -> None:
            for number, part in enumerate(module.encoder.modules()):
                part.training = number % 2 == 0
            for parameter in module.parameters():
                parameter.grad = torch.ones_like(parameter)
            before = state(module)
            super().draw(trainer, module, *rest)
            states.extend([before, state(module)])

    fit(tmp_path, [Watched(patches=10)])
    assert states[0] == states[1]


def fit(folder: Path, callbacks: list[Any], epochs: int = 2) -> Classifier:
    data = Demo(patches_per_class=20, batch_size=40)
    model = Classifier(TINY, data.class_names, data.bands, mean=data.mean, std=data.std)
    trainer = Trainer(max_epochs=epochs, accelerator="cpu", precision="32-true", default_root_dir=folder,
                      callbacks=callbacks, **BARE)  # fmt: skip
    trainer.fit(model, datamodule=data)
    return model


def test_averaged_weights_are_those_whose_features_are_kept(tmp_path: Path) -> None:
    kept: list[Any] = []

    class Last(Projector):
        def on_train_end(self, trainer: Any, pl_module: Any) -> None:
            kept.append(np.load(tmp_path / "embeddings.npz"))
            assert self._drawn == 1

    model = fit(tmp_path, [WeightAverage(decay=0.9), Last(every_n_epochs=1, patches=10)])
    data = Demo(patches_per_class=20)
    rows = np.array([data.store.files.index(file) for file in kept[0]["files"]])
    with torch.no_grad():
        expected = model.eval().encoder(model.normalize(torch.from_numpy(data.store.read(rows))))
    np.testing.assert_allclose(kept[0]["features"], expected, rtol=1e-4, atol=1e-5)


def test_features_without_a_number_are_one_warning(tmp_path: Path) -> None:
    class Broken(Projector):
        def draw(self, trainer: Any, module: Any, *rest: Any) -> None:
            next(module.encoder.parameters()).data.fill_(torch.nan)
            super().draw(trainer, module, *rest)

    with pytest.warns(UserWarning, match="0 of 10 patches have finite features"):
        fit(tmp_path, [Broken(patches=10)])
    assert not (tmp_path / "embeddings.npz").exists()


@pytest.mark.parametrize(
    ("arguments", "said"), [({"patches": 2}, "at least 3"), ({"thumbnail": 4}, "8 to 256"), ({"thumbnail": 999}, "256")]
)
def test_bad_settings_are_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        Projector(**arguments)


@pytest.mark.slow
def test_tensorboard_serves_points_labels_and_thumbnails(run: Run) -> None:
    assert run("fit", *on(patches=30, spherize=True))[0] == 0
    features = np.load(RUN / "embeddings.npz")["features"]
    with tensorboard(Path("lightning_logs"), "version_0", of="data/plugin/projector/runs") as address:

        def get(path: str, **query: str) -> bytes:
            return read(f"{address}/data/plugin/projector/{path}?{urllib.parse.urlencode(query)}")

        assert json.loads(get("runs")) == ["version_0"]
        shown = json.loads(get("info", run="version_0"))["embeddings"]
        assert [one["tensorName"] for one in shown] == ["features", "features_spherized"]
        assert all(one["tensorShape"] == [30, 16] for one in shown)
        points = np.frombuffer(get("tensor", run="version_0", name="features"), np.float32).reshape(30, 16)
        np.testing.assert_allclose(points, features, rtol=1e-4, atol=1e-5)
        lines = get("metadata", run="version_0", name="features").decode().splitlines()
        assert lines == ["\t".join(line) for line in metadata()]
        assert len(lines) == 31
        with Image.open(BytesIO(get("sprite_image", run="version_0", name="features"))) as sprite:
            assert sprite.size == (6 * 32, 6 * 32)
