"""Which figure decides is the model's own where none is configured."""

from functools import partial

import pytest

from eurosat_cls import AutoEncoder, Classifier
from eurosat_cls.callbacks import Checkpoints
from eurosat_cls.decoders import LinearReconstruction
from eurosat_cls.encoders import ResNet

TINY = partial(ResNet, widths=(8,), blocks=(1,))
MODELS = {
    "classifier": Classifier(TINY, ["a", "b"], ["B04"]),
    "autoencoder": AutoEncoder(TINY, partial(LinearReconstruction, scale=2), ["B04"]),
}


@pytest.mark.parametrize(
    ("model", "given", "settled"),
    [
        ("classifier", (None, None), ("val/accuracy", "max")),
        ("autoencoder", (None, None), ("val/loss", "min")),
        ("classifier", ("val/loss", None), ("val/loss", "min")),
        ("classifier", ("val/macro_f1", None), ("val/macro_f1", "max")),
        ("autoencoder", ("val/loss", "max"), ("val/loss", "max")),
    ],
)
def test_what_is_not_given_follows(model: str, given: tuple[None, None], settled: tuple[str, str]) -> None:
    checkpoints = Checkpoints(*given)
    checkpoints.setup(None, MODELS[model], "fit")  # type: ignore[arg-type]
    assert (checkpoints.monitor, checkpoints.mode) == settled
