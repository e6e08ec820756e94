"""What a person can choose of an export."""

from dataclasses import dataclass

from eurosat_cls.export.formats import OPSET, OPSETS
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.names import did_you_mean, nearest

FORMATS = ("onnx", "pt2", "safetensors", "hub")


@dataclass(frozen=True)
class ExportOptions:
    """How a model is exported.

    Attributes:
        out: folder for the files; by default ``export`` in the run folder, or beside the checkpoint.
        formats: of :data:`FORMATS`; ``hub`` is a folder for model hubs.
        qgis: whether to write the file for Deepness and GeoDeep.
        quantize: whether to write an ONNX file in 8-bit integers, if it is faster and hardly worse.
        force: keep that file in any case.
        features: whether ``features`` are an output too, and the statistics are written by which they tell how familiar
            a patch is.
        opset: version of ONNX's operators.
        calibrate: whether probabilities are calibrated; by default as the checkpoint says.
        license: of the model, such as ``MIT``.
        patches: how many of the run's test patches the proof is made with.
        overwrite: whether files of these names are replaced.
    """

    out: str | None = None
    formats: tuple[str, ...] = ("onnx",)
    qgis: bool = False
    quantize: bool = False
    force: bool = False
    features: bool = False
    opset: int = OPSET
    calibrate: bool | None = None
    license: str | None = None
    patches: int = 64
    overwrite: bool = False

    def __post_init__(self) -> None:
        for name in self.formats:
            if name not in FORMATS:
                raise UserError(
                    f"--format {name}: there is no such format.{did_you_mean(nearest(name, FORMATS))} There are "
                    f"{', '.join(FORMATS)}."
                )
        if self.opset not in OPSETS:
            raise UserError(f"--opset {self.opset}: it must be from {OPSETS[0]} to {OPSETS[-1]}.")
        if self.patches < 1:
            raise UserError(f"--patches {self.patches}: the proof needs at least one.")
        if self.license is not None and not (self.license.isprintable() and 0 < len(self.license) <= 100):
            raise UserError("--license: a short name is meant, such as MIT or CC-BY-4.0.")
        if self.force and not self.quantize:
            raise UserError("--force: has no effect without --quantize.")

    @property
    def kinds(self) -> list[str]:
        """Kinds of files that have to be made."""
        wanted = {*self.formats, *(("onnx", "safetensors") if "hub" in self.formats else ())}
        made = [kind for kind in FORMATS[:3] if kind in wanted or (kind == "onnx" and self.quantize)]
        return made + ["qgis"] * self.qgis

    @property
    def files(self) -> list[str]:
        """Names that may be written."""
        named = [FILES[kind] for kind in self.kinds if kind in (*self.formats, "qgis")]
        named += [STATISTICS] * self.features
        return [*named, *(["model-int8.onnx"] * self.quantize), *(["hub"] * ("hub" in self.formats)), ITEM, REPORT]


FILES = {kind: f"model.{kind}" for kind in FORMATS[:3]} | {"qgis": "model-qgis.onnx", "int8": "model-int8.onnx"}
ITEM, REPORT, STATISTICS = "model.json", "export.json", "familiarity.safetensors"
