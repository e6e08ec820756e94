"""The command ``export``."""

import argparse
import sys
from collections.abc import Sequence


def export(arguments: Sequence[str], trust: Sequence[str] = ()) -> None:
    """Write a trained model for use elsewhere, and prove that the files answer as it does.

    Raises:
        UserError: for whatever a person can mend.
        SystemExit: with 1 when a file does not answer as the model does.
    """
    given = _parser().parse_args(arguments)
    # torch and what else takes seconds to import is not needed for the help above
    from eurosat_cls.export.job import export_model
    from eurosat_cls.export.options import ExportOptions
    from eurosat_cls.export.proof import NotEqual

    names = ExportOptions.__dataclass_fields__
    options = {name: value for name, value in vars(given).items() if name in names and value is not None}
    if "formats" in options:
        options["formats"] = tuple(options["formats"])
    try:
        print(export_model(given.checkpoint, ExportOptions(**options), trust))
    except NotEqual as error:
        print(f"eurosat_cls: error: {error} Nothing was written.", file=sys.stderr)
        raise SystemExit(1) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "eurosat_cls export",
        allow_abbrev=False,
        description="Write a trained model for use elsewhere, and prove that the files answer as it does.",
    )
    add = parser.add_argument
    add("checkpoint", help="a run folder or a checkpoint")
    add("--format", nargs="+", action="extend", dest="formats", type=str, metavar="FORMAT",
        help="onnx, pt2 (torch.export), safetensors, hub (a folder for model hubs); one or several (onnx)")  # fmt: skip
    add("--out", help="folder for the files (export in the run folder)")
    add("--overwrite", action="store_true", help="replace files of these names")
    add("--qgis", action="store_true", help="write a file for Deepness in QGIS, and GeoDeep")
    add("--quantize", action="store_true", help="write 8-bit integers too, if that is faster and hardly worse")
    add("--force", action="store_true", help="keep the 8-bit file in any case")
    add("--features", action="store_true", help="give the encoder's features too")
    add("--opset", type=int, help="version of ONNX's operators (21)")
    add("--calibrate", type=_truth, help="true or false: calibrated probabilities (as the checkpoint says)")
    add("--license", help="of the model, e.g. MIT")
    add("--patches", type=int, help="test patches that are compared (64)")
    return parser


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError("true or false")
    return text.lower() == "true"
