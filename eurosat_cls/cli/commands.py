"""The table of commands, and what may stand anywhere on a command line."""

from collections.abc import Sequence

from eurosat_cls.utils.errors import UserError

CONFIGURED = {  # commands that take a configuration
    "fit": "train; --ckpt_path last goes on with a training",
    "validate": "metrics of the validation patches",
    "test": "metrics, pictures and a report of the test patches",
    "predict": "probabilities of patches, or of a folder of images, as CSV",
    "statistics": "statistics of bands, classes and split",
    "show": "pictures of the data and of what augmentations do",
    "summary": "layers, parameters and multiply-adds of the network",
    "lr_find": "suggest a learning rate",
    "batch_size_find": "recommend a batch size",
}
OTHERS = {
    "map": "land-cover maps of whole Sentinel-2 scenes",
    "export": "write a model for use elsewhere: ONNX, torch.export, safetensors, QGIS",
    "search": "train with many settings, overlays or seeds",
    "audit": "find labels that are probably wrong, from tests on unseen patches",
    "report": "make the page of a run anew, or compare runs",
    "describe": "say what a checkpoint is",
    "upgrade": "bring the checkpoints of an older run up to date",
    "configs": "list the configurations that are shipped, or copy one",
    "cache": "list what the cache folder holds, or remove it",
}


def split_trust(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Take ``--trust PACKAGE`` out of a command line, wherever it stands; return the rest, and the packages.

    Raises:
        UserError: for ``--trust`` without a package.

    Example:
        >>> split_trust(["fit", "--trust", "mine", "--config", "a.yaml", "--trust=yours"])
        (['fit', '--config', 'a.yaml'], ['mine', 'yours'])
    """
    rest, packages, given = [], [], iter(arguments)
    for argument in given:
        if argument == "--trust":
            package = next(given, "")
            if not package or package.startswith("-"):
                raise UserError("--trust: name a package, e.g. --trust my_package.")
            packages.append(package)
        elif argument.startswith("--trust="):
            packages.append(argument.removeprefix("--trust="))
        else:
            rest.append(argument)
    return rest, packages
