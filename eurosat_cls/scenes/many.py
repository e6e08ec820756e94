"""Many scenes: one after the other, shared out over the tasks of an array, or sent to a Dask cluster."""

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from eurosat_cls.checkpoints.files import checkpoint_in, read_checkpoint
from eurosat_cls.config.trust import trusting
from eurosat_cls.models.loading import load
from eurosat_cls.scenes.mapping import Mapper
from eurosat_cls.scenes.settings import MapOptions, patch_size
from eurosat_cls.utils.errors import UserError
from eurosat_cls.utils.files import file_digest
from eurosat_cls.utils.network import online

RETRIES = 3  # of a scene whose worker was lost


@dataclass(frozen=True)
class Shard:
    """A part of many scenes: every ``count``-th from ``index`` on.

    Example:
        >>> Shard(1, 3).of(["a", "b", "c", "d", "e"])
        ['b', 'e']
    """

    index: int
    count: int

    def of(self, paths: Sequence[Path]) -> list[Path]:
        """Return the part."""
        return list(paths[self.index :: self.count])


def shard_of(given: str | None, environment: Mapping[str, str] = os.environ) -> Shard:
    """Return the part that this process is to do.

    Args:
        given: ``I/N`` with I from 1 to N; ``N`` where the environment has the index; None for what it says.
        environment: of the process. Slurm's ``SLURM_ARRAY_TASK_ID`` counts from ``SLURM_ARRAY_TASK_MIN`` in steps of
            ``SLURM_ARRAY_TASK_STEP``; ``JOB_COMPLETION_INDEX`` of Kubernetes and ``AWS_BATCH_JOB_ARRAY_INDEX`` from 0.

    Raises:
        UserError: for a part that is none, or an index without a number of parts.

    Example:
        >>> shard_of("3/40", {}), shard_of(None, {"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_COUNT": "8",
        ...                                       "SLURM_ARRAY_TASK_MIN": "1"})
        (Shard(index=2, count=40), Shard(index=4, count=8))
    """
    if given is not None and "/" in given:
        found = re.fullmatch(r"(\d+)/(\d+)", given)
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise UserError(f"--shard {given}: it is I/N, the I-th of N parts, e.g. 1/4 to 4/4.")
        return Shard(int(found[1]) - 1, int(found[2]))
    if given is not None and not (given.isdigit() and int(given) > 0):
        raise UserError(f"--shard {given}: it is I/N, the I-th of N parts, or N where the environment has the index.")
    name, index, count = _from_environment(environment)
    if name is None:
        if given is None:
            return Shard(0, 1)
        raise UserError(f"--shard {given}: no task index in the environment; give I/{given} with I from 1 to {given}.")
    count = int(given) if given is not None else count
    if count is None:
        raise UserError(f"{name} is set, but not of how many: give --shard N, or --shard 1/1 for all scenes.")
    if not 0 <= index < count:
        raise UserError(f"{name} says part {index + 1} of {count}, which there is not; give --shard I/N.")
    return Shard(index, count)


def _from_environment(environment: Mapping[str, str]) -> tuple[str | None, int, int | None]:
    """Name of the variable, index from 0, and number of parts where it is known."""

    def number(name: str, default: int | None = None) -> int | None:
        value = environment.get(name, "")
        return int(value) if value.isdigit() else default

    if (task := number("SLURM_ARRAY_TASK_ID")) is not None:
        start, step = number("SLURM_ARRAY_TASK_MIN", 0) or 0, number("SLURM_ARRAY_TASK_STEP", 1) or 1
        return "SLURM_ARRAY_TASK_ID", (task - start) // step, number("SLURM_ARRAY_TASK_COUNT")
    if (task := number("AWS_BATCH_JOB_ARRAY_INDEX")) is not None:
        return "AWS_BATCH_JOB_ARRAY_INDEX", task, number("AWS_BATCH_JOB_ARRAY_SIZE")
    if (task := number("JOB_COMPLETION_INDEX")) is not None:
        return "JOB_COMPLETION_INDEX", task, None
    return None, 0, None


def mapper_for(checkpoint: str, out: str, options: MapOptions, trust: tuple[str, ...] = ()) -> Mapper:
    """Load a model, and return what maps with it.

    Args:
        checkpoint: a checkpoint or a run folder.
        out: folder for the folders of maps.
        options: how to map.
        trust: see :func:`eurosat_cls.load`.

    Raises:
        UserError: for what is no checkpoint of a classifier.
    """
    # what oneDNN has made for one shape of tile keeps memory of its own; maps have many shapes
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
    file = checkpoint_in(Path(checkpoint))
    with trusting(trust):
        model = load(file, trust)
    about = {"checkpoint": str(file), "sha256": file_digest(file)}
    return Mapper(model, Path(out), options, patch_size(read_checkpoint(file)), about)


_mapper_of_worker = lru_cache(maxsize=1)(mapper_for)  # a worker loads the model once


def check_names(paths: Sequence[Path]) -> None:
    """Refuse scenes whose maps would get one folder.

    Raises:
        UserError: naming two of them.
    """
    seen: dict[str, Path] = {}
    for path in paths:
        key = re.sub(r"(?i)(\.safe)?\.(zip|tiff?|jp2|vrt|safe)$", "", path.name)
        if key in seen:
            raise UserError(f"{seen[key]} and {path} have one name, and so would their maps; give each another --out.")
        seen[key] = path


def map_in_turn(mapper: Mapper, paths: Sequence[Path], dry_run: bool = False) -> list[str]:
    """Map scenes one after the other; return a line for each that failed."""
    failed = []
    for number, path in enumerate(paths, 1):
        if len(paths) > 1:
            mapper.message(f"scene {number} of {len(paths)}: {path}")
        try:
            if (folder := mapper.map([path], dry_run)) is not None:
                mapper.message(str(folder / "map.html"))
        except UserError as error:
            if len(paths) == 1:
                raise
            mapper.message(f"failed: {error}")
            failed.append(f"{path}: {error}")
    return failed


def _map_on_worker(
    checkpoint: str, out: str, options: MapOptions, trust: tuple[str, ...], path: str
) -> tuple[str, str]:
    """Map a scene on a Dask worker: its folder, or what is wrong with it; only lost workers are retried."""
    lines: list[str] = []
    try:
        mapper = replace(_mapper_of_worker(checkpoint, out, options, trust), message=lines.append)
        return str(mapper.map([Path(path)])), ""
    except UserError as error:
        return "", str(error)


@online()
def map_on_cluster(
    address: str, checkpoint: str, out: str, options: MapOptions, trust: Sequence[str], paths: Sequence[Path],
    message: Callable[[str], None] = print, timeout: str = "20s",
) -> list[str]:  # fmt: skip
    """Send scenes to the workers of a Dask scheduler; return a line for each that failed.

    Workers see the same files under the same paths. A scene whose worker is lost goes to another one, which continues
    from the journal.

    Raises:
        UserError: when Dask is not installed, or nothing answers at the address.
    """
    if find_spec("distributed") is None:
        raise UserError("--scheduler needs Dask: pip install 'eurosat-cls[dask]', or pip install distributed")
    from distributed import Client, as_completed

    try:
        client = Client(address, timeout=timeout, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError, ValueError) as error:
        raise UserError(f"--scheduler {address}: no Dask scheduler answers there ({type(error).__name__}).") from None
    with client:
        message(f"dashboard: {client.dashboard_link}")
        constant = (str(Path(checkpoint).absolute()), str(Path(out).absolute()), options, tuple(trust))
        futures = {
            client.submit(_map_on_worker, *constant, str(path.absolute()), key=f"map-{path.name}-{number}",
                          retries=RETRIES, pure=False): path
            for number, path in enumerate(paths)
        }  # fmt: skip
        done = as_completed(futures)  # type: ignore[no-untyped-call]
        return _results(done, futures, message)


def _results(done: Iterable[Any], paths: Mapping[Any, Path], message: Callable[[str], None]) -> list[str]:
    failed = []
    for number, future in enumerate(done, 1):
        path = paths[future]
        try:
            folder, problem = future.result()
        except Exception as error:  # whatever ends a worker again and again
            folder, problem = "", f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        message(f"{number} of {len(paths)}: {folder or f'{path}: failed: {problem}'}")
        if not folder:
            failed.append(f"{path}: {problem}")
    return failed
