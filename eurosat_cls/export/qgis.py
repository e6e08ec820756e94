"""A model in the form that Deepness (a plugin of QGIS) and GeoDeep read: a segmentation of a tile, cell by cell."""

import json
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from eurosat_cls.data.sentinel2 import RGB
from eurosat_cls.export.card import RESOLUTION
from eurosat_cls.export.network import Model, Portable
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.utils.errors import UserError

OPSET, IR_VERSION = 18, 9  # what onnxruntime 1.17, which the plugin asks for, reads
_TILE = 512  # pixels along a side, at most


class Tile(nn.Module):
    """Classify the cells of a tile of 8-bit red, green and blue, which the tools divide by 255.

    Args:
        model: of 8-bit images, of one class for each patch.
        patch: side of a cell in pixels.

    Raises:
        UserError: for a model that has other bands, another unit, or several labels for a patch.
    """

    def __init__(self, model: Model, patch: int) -> None:
        super().__init__()
        if not isinstance(model, Classifier) or model.task == "multilabel":
            raise UserError("--qgis needs a model that gives each patch one class.")
        if sorted(model.bands) != sorted(RGB) or model.input_check.unit.dtype != "uint8":
            raise UserError(
                f"--qgis needs a model of 8-bit {', '.join(RGB)} (red, green, blue), as these tools read nothing else; "
                f"this one takes {', '.join(model.bands)} in {model.input_check.unit.dtype}."
            )
        self.network, self.patch = Portable(model), patch
        self.cells = max(1, _TILE // patch)
        self.order = [RGB.index(band) for band in model.bands]

    @property
    def side(self) -> int:
        """Pixels along a side of a tile."""
        return self.cells * self.patch

    def forward(self, image: Tensor) -> Tensor:
        """Float32 ``[1, 3, side, side]`` from 0 to 1 -> probabilities ``[1, K, side, side]``."""
        n, p = self.cells, self.patch
        raw = (image * 255).round()[:, self.order]
        cells = raw.reshape(3, n, p, n, p).permute(1, 3, 0, 2, 4).reshape(n * n, 3, p, p)
        probabilities = self.network(cells)[1]
        grid = probabilities.T.reshape(1, -1, n, 1, n, 1)
        tile: Tensor = grid.expand(-1, -1, -1, p, -1, p).reshape(1, -1, n * p, n * p)
        return tile

    def sample(self, patches: np.ndarray) -> Tensor:
        """Lay raw patches ``[n, 3, p, p]`` side by side, again and again, as a tile of a raster."""
        chosen = np.take(patches, range(self.cells**2), axis=0, mode="wrap")[:, np.argsort(self.order)]
        rows = chosen.reshape(self.cells, self.cells, 3, self.patch, self.patch).transpose(2, 0, 3, 1, 4)
        return torch.from_numpy(rows.reshape(1, 3, self.side, self.side).astype(np.float32) / 255)

    def metadata(self, class_names: list[str], card: Mapping[str, object]) -> dict[str, str]:
        """Return what the tools read, as JSON.

        Source: ``model_base.py`` of Deepness and ``inference.py`` of GeoDeep.
        """
        values = {
            "model_type": "Segmentor",
            "class_names": {str(number): name for number, name in enumerate(class_names)},
            "resolution": 100 * RESOLUTION,  # cm per pixel
            "tile_size": self.side,
            "tiles_size": self.side,
            "tiles_overlap": 0,
            "standardization_mean": [0.0, 0.0, 0.0],  # the model does it
            "standardization_std": [1.0, 1.0, 1.0],
            "seg_thresh": 0.0,  # by default 0.5, below which all would be the first class
            "seg_small_segment": 0,
            "checkpoint": card["checkpoint"],
        }
        return {key: json.dumps(value) for key, value in values.items()}
