"""Tensors from files: nothing that a file holds is ever executed."""

import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from eurosat_cls.checkpoints.tensor_limits import check_tensors
from eurosat_cls.config.roles import check_settings, is_loaded_part
from eurosat_cls.config.trust import trusting
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.limits import check_file
from eurosat_cls.utils.network import check_local

# What trainings wrap around the weights, the averaged ones first.
WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model_state_dict", "model")
SETTINGS = ("hyper_parameters", "run")  # where a checkpoint keeps names of classes


class Damaged(UserError):
    """A file is not whole, or of another format."""


def read_plain(path: str | Path, map_location: Any = "cpu", kind: str = "checkpoint") -> Any:
    """Load what ``torch.save`` wrote, if it is plain data and tensors only.

    Args:
        path: the file.
        map_location: as in ``torch.load``.
        kind: what the file should be, for the error.

    Raises:
        UserError: when the file is missing, truncated, of another format, or holds pickled code or odd tensors.
    """
    check_local(path, kind)
    try:
        _check_archive(path, kind)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch remarks on foreign pickles before it refuses them
            content = torch.load(path, map_location=map_location, weights_only=True)
        check_tensors(content, Path(path).stat().st_size, str(path))
        return content
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such {kind}.") from None
    except IsADirectoryError:
        raise UserError(f"{path} is a folder; name the {kind} in it.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}).") from error
    except pickle.UnpicklingError as error:
        if re.search(r"unsupported (global|class)", str(error), re.IGNORECASE):
            raise UserError(f"{path}: refused, it holds pickled code, not only weights and plain data.") from None
        raise Damaged(f"{path}: not a {kind}.") from None
    except Exception as error:  # whatever foreign bytes make the readers of zip and pickle raise
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise Damaged(f"{path}: truncated or not a {kind} ({reason}).") from None


def _check_archive(path: str | Path, kind: str) -> None:
    """Refuse an archive that would unpack to more than it is: torch stores tensors as they are."""
    if Path(path).exists() and not Path(path).is_dir():
        check_file(Path(path), Path(path), 2**63)
    with open(path, "rb") as stream:
        begins = stream.read(4) == b"PK\3\4"
    if begins and not zipfile.is_zipfile(path):
        raise Damaged(f"{path}: truncated, the end of this {kind} is missing.")
    if begins:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
        packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
        if packed or sum(entry.file_size for entry in entries) > Path(path).stat().st_size:
            raise UserError(f"{path}: refused, it unpacks to more than it is, unlike any {kind} that torch writes.")


def read_tensors(path: str | Path) -> dict[str, torch.Tensor]:
    """Load the named tensors of a checkpoint, a state dict or a safetensors file.

    Raises:
        UserError: as :func:`read_plain`, when there are no tensors, and when the settings beside them name what no
            checkpoint may name.
    """
    check_local(path, "weights file")
    path = Path(path).expanduser()
    content: Any = _safetensors(path) if str(path).endswith(".safetensors") else read_plain(path, kind="weights file")
    if isinstance(content, Mapping):  # none of them is used here; a file that plants something is not trusted at all
        with trusting():
            check_settings([content.get(key) for key in SETTINGS], str(path), is_loaded_part, of_run=True)
    for key in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    named = content.items() if isinstance(content, Mapping) else ()
    tensors = {str(name): value for name, value in named if isinstance(value, torch.Tensor)}
    if not tensors:
        raise UserError(f"{path}: no named tensors in it.")
    return tensors


def _safetensors(path: str | Path) -> dict[str, torch.Tensor]:
    if Path(path).exists():
        check_file(Path(path), Path(path), 2**63)  # a pipe would be waited for
    try:
        return dict(load_file(path))
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such weights file.") from None
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: not a safetensors file, or truncated ({error}).") from None
