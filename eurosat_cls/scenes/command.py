"""The command ``map``."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from eurosat_cls.utils.errors import UserError


def map_scenes(arguments: Sequence[str], trust: Sequence[str] = ()) -> None:
    """Make land-cover maps of whole Sentinel-2 scenes with a trained model.

    Raises:
        UserError: for whatever a person can mend.
        SystemExit: with 1 when some of several scenes failed.
    """
    parser = _parser()
    given = parser.parse_args(arguments)
    # torch and what else takes seconds to import is not needed for the help above
    from eurosat_cls.scenes.collect import collect
    from eurosat_cls.scenes.many import check_names, map_in_turn, map_on_cluster, mapper_for, shard_of
    from eurosat_cls.scenes.settings import MapOptions

    if given.collect is not None:
        for line in collect(Path(given.collect)):
            print(line)
        return
    if not given.scenes:
        raise UserError("map: name a checkpoint or run folder, and a scene: map lightning_logs/version_0 scene.tif")
    names = MapOptions.__dataclass_fields__
    options = MapOptions(**{name: value for name, value in vars(given).items() if name in names})
    paths = [Path(scene) for scene in given.scenes]
    if given.composite is not None:
        if given.scheduler is not None or given.shard is not None:
            raise UserError("--composite makes one map of all scenes: leave out --shard and --scheduler.")
        mapper = mapper_for(str(given.checkpoint), given.out, options, tuple(trust))
        folder = mapper.map(paths, given.dry_run)
        print(folder / "map.html" if folder else "nothing was written")
        return
    check_names(paths)
    paths = shard_of(given.shard).of(paths)
    if given.scheduler is not None and not given.dry_run:
        failed = map_on_cluster(given.scheduler, str(given.checkpoint), given.out, options, trust, paths)
    else:
        failed = map_in_turn(mapper_for(str(given.checkpoint), given.out, options, tuple(trust)), paths, given.dry_run)
    if failed:
        print(f"{len(failed)} of {len(paths)} scenes failed:", *failed, sep="\n  ")
        raise SystemExit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "eurosat_cls map", allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Make land-cover maps of whole Sentinel-2 scenes with a trained model.",
    )  # fmt: skip
    add = parser.add_argument
    add("checkpoint", nargs="?", type=Path, help="a run folder or a checkpoint")
    add("scenes", nargs="*", help="GeoTIFFs, VRTs, folders of bands, Sentinel-2 products as .SAFE folder or zip")
    add("--out", default="maps", help="folder for the folders of maps (maps)")
    add("--dry_run", action="store_true", help="say what it would take, and stop")
    group = parser.add_argument_group("windows").add_argument
    group("--step", type=int, help="pixels from window to window, and the size of a cell (half a window)")
    group("--window", type=int, help="side of a window in pixels (that of the training's patches)")
    group("--views", type=int, choices=(1, 8), help="8 averages flips and rotations (as the checkpoint says)")
    group("--calibrate", type=_truth, help="true or false: calibrated probabilities (as the checkpoint says)")
    group("--min_valid", type=float, default=0.5, help="share of valid pixels that a window needs (0.5)")
    group("--method", choices=("windows", "dense"), default="windows",
          help="dense runs convolutional networks over whole strips: faster, not quite the same")  # fmt: skip
    group = parser.add_argument_group("scene").add_argument
    group("--bands", type=_names, help="names of the bands in the file's order, e.g. B02,B03,B04,B08")
    group("--offset", type=int, help="what is added to digital numbers, -1000 since baseline 04.00 (from metadata)")
    group("--unit", choices=("raw", "dn", "reflectance"),
          help="what values are: as in training, 10,000 times the reflectance, 0 to 1 (by their range)")  # fmt: skip
    group("--stretch", type=float, nargs=2, metavar=("LOW", "HIGH"), help="values that were 0 and 255 in 8-bit patches")
    group("--mask", help="clouds, for what the product marks, or a raster whose pixels other than 0 are left out")
    group("--area", help="GeoJSON polygons: only these are mapped, and areas.csv lists each")
    group("--any_resolution", action="store_true", help="take pixels of another size than about 10 m")
    group("--composite", choices=("mean",), help="one map of several dates: the mean of their probabilities")
    group = parser.add_argument_group("outputs").add_argument
    group("--min_confidence", type=float, help="cells below it become uncertain (254)")
    group("--min_familiarity", type=float, help="cells less familiar than that become uncertain (254), e.g. 0.01")
    group("--resolution", type=float, help="pixel size of classes.tif, e.g. 10 (the step)")
    group("--polygons", type=float, nargs="?", const=0.0, metavar="HECTARES",
          help="write polygons of classes as GeoPackage, the smallest of this size")  # fmt: skip
    group("--reference", help="raster of classes to compare with, with --legend")
    group("--legend", help="YAML file: which class a value of the reference is")
    group = parser.add_argument_group("machine").add_argument
    group("--device", default="auto", help="auto, cpu, cuda, ... (auto)")
    group("--precision", choices=("32-true", "bf16-mixed"), default="32-true", help="(32-true)")
    group("--batch_size", type=int, default=128, help="windows of a batch, at most (128)")
    group("--strip_rows", type=int, help="rows of pixels that are read at once (what fits into some memory)")
    group = parser.add_argument_group("many scenes").add_argument
    group("--shard", metavar="I/N", help="map the I-th of N parts only (from the array variables of Slurm and others)")
    group("--scheduler", metavar="ADDRESS", help="send scenes to the workers of this Dask scheduler")
    group("--collect", metavar="FOLDER", help="sum up the areas of finished maps, and write a VRT of their classes")
    return parser


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError("true or false")
    return text.lower() == "true"


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
