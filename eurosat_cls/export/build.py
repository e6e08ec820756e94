"""Write the files of one model into a folder, each proved by a process of its own before the next is begun."""

import json
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch.export import ExportedProgram

from eurosat_cls.checkpoints.portable import KEY
from eurosat_cls.encoders.backbones.base import Backbone
from eurosat_cls.export import qgis
from eurosat_cls.export.formats import write_onnx, write_program, write_safetensors, write_statistics
from eurosat_cls.export.hub import page_of
from eurosat_cls.export.network import Model, Portable, exported, sample_of, takes_any_size
from eurosat_cls.export.options import FILES, ITEM, REPORT, STATISTICS, ExportOptions
from eurosat_cls.export.patches import Patches
from eurosat_cls.export.proof import NotEqual, answers_of, batches_of, prove
from eurosat_cls.export.quantize import compare, is_better, quantize
from eurosat_cls.export.stac import item_of, program_metadata, properties_of, unit_text
from eurosat_cls.models.classifier import Classifier
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import file_digest, write_json, write_text


@dataclass
class Build:
    """The files of one export.

    Attributes:
        model: in evaluation mode.
        card: see :func:`~eurosat_cls.export.card.card_of`.
        options: see :class:`~eurosat_cls.export.options.ExportOptions`.
        patches: raw patches ``[n, C, H, W]`` for proofs.
        source: what they are, for the report.
        parts: returns so many patches of the run's ``train`` or ``test``.
        folder: where files are written.
        message: prints a line.
        about: by file name, size, digest and proof, as plain data.
        sides: of the patches that the network takes, -1 where any; as in ``patches`` before one was made.
        programs: the network for patches of any size (``all``) or one (``batch``), as far as they were made.
    """

    model: Model
    card: dict[str, Any]
    options: ExportOptions
    patches: np.ndarray
    source: str
    parts: Callable[[Literal["train", "test"], int], Patches]
    folder: Path
    message: Callable[[str], None] = print
    about: dict[str, Any] = field(default_factory=dict)
    sides: Sequence[int] | None = None
    programs: dict[str, ExportedProgram] = field(default_factory=dict)

    def run(self) -> None:
        """Write and prove everything that is asked for.

        Raises:
            UserError: for a model that does not go into a format.
            NotEqual: when a file does not answer as the model does.
        """
        for kind in self.options.kinds:
            if kind == "safetensors":
                self._weights()
            elif kind == "qgis":
                self._qgis()
            else:
                self._program(kind)
        if self.options.quantize:
            self._quantize()
        if self.options.features:
            self._statistics()
        self._describe()

    @property
    def _name(self) -> str:
        return type(self.model.encoder).__name__

    @property
    def _text(self) -> str:
        return json.dumps(self.card)

    @cached_property
    def _network(self) -> Portable:
        return Portable(self.model, self.options.features).eval()

    # --- the files -----------------------------------------------------------------------------------------------

    def _made(self, free: Literal["all", "batch"]) -> ExportedProgram:
        if free not in self.programs:
            sample = torch.from_numpy(np.take(self.patches, (0, 1), axis=0, mode="wrap"))
            self.programs[free] = exported(self._network, sample, self._name, free)
        return self.programs[free]

    @cached_property
    def _larger(self) -> np.ndarray | None:
        """Two patches of twice the size, where the model takes them.

        Attention of library networks is left at one size: to follow it for every size takes torch many minutes.
        """
        kinds = {type(module).__name__.lower() for module in self.model.encoder.modules()}
        if isinstance(self.model.encoder, Backbone) and any("attn" in kind or "attention" in kind for kind in kinds):
            return None
        larger = sample_of(self.model, 2 * self.patches.shape[2])
        try:
            answers_of(self._network, [larger.numpy()])
        except (UserError, RuntimeError, ValueError):
            return None
        return larger.numpy()

    def _program(self, kind: str) -> None:
        """Write ONNX or a program of torch.export; of one patch size where any size does not work."""
        path, larger = self.folder / FILES[kind], self._larger
        for free in ("all", "batch") if larger is not None else ("batch",):
            try:
                program = self._made(free)  # type: ignore[arg-type]
                any_size = free == "all" and takes_any_size(program)
                if free == "all" and not any_size:
                    continue
                self.sides = (-1, -1) if any_size else self.patches.shape[2:]
                self._write(kind, path, program)
                self._prove(kind, path, self._network, self._network.outputs, larger if any_size else None)
                return
            except (UserError, NotEqual):
                if free == "batch":
                    raise

    def _write(self, kind: str, path: Path, program: ExportedProgram) -> None:
        if kind == "onnx":
            metadata = {KEY: self._text, "license": self.card["license"] or ""}
            write_onnx(path, program, self._network.outputs, metadata, self._name, self.options.opset)
        else:
            write_program(path, program, {KEY: self._text, "mlm-metadata": program_metadata(self._properties)})

    def _weights(self) -> None:
        if not isinstance(self.model, Classifier):
            raise UserError("--format safetensors: an autoencoder's run has its encoder.safetensors already.")
        path = self.folder / FILES["safetensors"]
        write_safetensors(path, self.model, self._text)
        self._prove("safetensors", path, Portable(self.model), ["logits", "probabilities"])

    def _qgis(self) -> None:
        tile = qgis.Tile(self.model, self.patches.shape[2]).eval()
        assert isinstance(self.model, Classifier)
        path, count = self.folder / FILES["qgis"], tile.cells**2
        tiles = [tile.sample(self.patches[at : at + count]) for at in range(0, len(self.patches), count)]
        program = exported(tile, tiles[0], self._name, "none")
        metadata = tile.metadata(self.model.class_names, self.card)
        write_onnx(path, program, ["probabilities"], metadata, self._name, qgis.OPSET, qgis.IR_VERSION)
        batches = [sample.numpy() for sample in tiles]
        expected = [[answer] for (answer,) in answers_of(lambda image: (tile(image),), batches)]
        found = prove("onnx", path, ["probabilities"], batches, expected)
        self._note(path, {**found, "patches": count * len(tiles)}, "tiles")

    def _quantize(self) -> None:
        """Write the int8 file, and keep it where it is the better one."""
        if not isinstance(self.model, Classifier):
            raise UserError("--quantize: needs a classifier, as it is judged by the accuracy.")
        path, float32 = self.folder / FILES["int8"], self.folder / FILES["onnx"]
        quantize(float32, path, self.parts("train", 256).images)
        found = compare(self.model, float32, path, self.parts("test", 2000))
        said = (
            f"{found['times as fast']:.2f} times as fast as float32, accuracy {found['int8 accuracy']:.4f} instead of "
            f"{found['float32 accuracy']:.4f} on {found['patches']} test patches"
        )
        kept = is_better(found) or self.options.force
        batches = batches_of(self.patches)
        expected = answers_of(self._network, batches)
        found["against float32"] = prove("onnx", path, self._network.outputs, batches, expected, exact=False)
        self.message(f"{path.name}: {said}; {'kept' if kept else 'not kept (--force keeps it)'}")
        self.about[path.name] = {**found, "kept": kept, **(_facts(path) if kept else {})}
        if not kept:
            path.unlink()

    def _statistics(self) -> None:
        """Write by what the exported features tell how familiar a patch is, where the checkpoint knows.

        A decoder that takes tokens or a map is judged by their mean, which an encoder's features need not be.
        """
        path, model = self.folder / STATISTICS, self.model
        if isinstance(model, Classifier) and model.evidence is not None and model.decoder.takes == "features":
            write_statistics(path, model.evidence.plain(), self._text)
            self.about[path.name] = _facts(path)
            self.message(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB, how familiar the features of a patch are")

    # --- what is said of them ------------------------------------------------------------------------------------

    def _prove(
        self, kind: str, path: Path, network: Portable, outputs: Sequence[str], larger: np.ndarray | None = None
    ) -> None:
        batches = batches_of(self.patches, larger)
        found = prove(kind, path, outputs, batches, answers_of(network, batches))
        sides = "any size" if larger is not None else f"{self.patches.shape[2]}x{self.patches.shape[3]} pixels"
        self._note(path, {"sizes": sides, **found}, f"patches of {sides}" if kind != "safetensors" else "weights")

    def _note(self, path: Path, found: Mapping[str, Any], what: str) -> None:
        self.about[path.name] = {**_facts(path), **found}
        first = next(key for key in found if key.startswith("largest"))
        equal = f", {100 * found['equal classes']:.2f} % equal classes" if "equal classes" in found else ""
        self.message(
            f"{path.name}: {path.stat().st_size / 1e6:.1f} MB, {what}; on {found['patches']} ({self.source}) "
            f"{first} {found[first]:.2g}{equal}"
        )

    @property
    def _properties(self) -> dict[str, Any]:
        return properties_of(self.model, self.card, self._network.outputs, self.sides or self.patches.shape[2:])

    def _describe(self) -> None:
        """Write ``model.json`` and ``export.json``, and put together the folder for hubs."""
        self._item(self.folder, self.options.files)
        report = {"checkpoint": self.card["checkpoint"], "patches": self.source, "files": self.about}
        write_json(self.folder / REPORT, report)
        if "hub" not in self.options.formats:
            return
        hub = self.folder / "hub"
        hub.mkdir()
        for name in (FILES["onnx"], FILES["safetensors"]):
            shutil.copy(self.folder / name, hub / name)
        self._item(hub, FILES.values())
        parameters = sum(p.numel() for part in (self.model.encoder, self.model.decoder) for p in part.parameters())
        write_text(hub / "README.md", page_of(self.card, self._name, parameters, unit_text(self.model)))

    def _item(self, folder: Path, names: Collection[str]) -> None:
        """Write ``model.json`` about those of these files that are in a folder."""
        kinds = {**FILES, "familiarity": STATISTICS}
        files = {kind: folder / name for kind, name in kinds.items() if name in names and (folder / name).is_file()}
        write_json(folder / ITEM, item_of(self._properties, self.model, self.card, files))


def _facts(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": file_digest(path)}
