"""Proof that an exported file answers as its model does: loaded in a fresh process, on the same patches."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from eurosat_cls.config.trust import VARIABLE, trusted_packages
from eurosat_cls.export import runtime
from eurosat_cls.utils.children import python_environment
from eurosat_cls.utils.errors import UserError

SMALL = (1, 2, 7)  # batches that are tried first: a size that was fixed by mistake shows
_TOGETHER = 128
LOGITS = 1e-3  # largest difference, of the largest logit, or of 1 where that is smaller
PROBABILITIES = 1e-4


class NotEqual(Exception):
    """An exported file that does not answer as its model does."""


def batches_of(patches: np.ndarray, other_size: np.ndarray | None = None) -> list[np.ndarray]:
    """Divide patches ``[n, C, H, W]`` into batches of 1, 2, 7 and then many; those of another size come last."""
    starts = np.cumsum((0, *SMALL))
    batches = [np.take(patches, range(start, start + size), axis=0, mode="wrap") for start, size in zip(starts, SMALL)]
    batches += [patches[at : at + _TOGETHER] for at in range(int(starts[-1]), len(patches), _TOGETHER)]
    return batches if other_size is None else [*batches, other_size]


def answers_of(
    network: Callable[[torch.Tensor], Sequence[torch.Tensor]], batches: Sequence[np.ndarray]
) -> list[list[np.ndarray]]:
    """Outputs of a network in float32 for each batch."""
    with torch.inference_mode():
        return [[answer.numpy() for answer in network(torch.from_numpy(batch))] for batch in batches]


def prove(
    kind: str, file: Path, outputs: Sequence[str], batches: Sequence[np.ndarray], expected: list[list[np.ndarray]],
    exact: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """Compare the answers of a file in a fresh process with those of its model.

    Args:
        kind: ``onnx``, ``pt2`` or ``safetensors``.
        file: of that kind.
        outputs: their names, in order.
        batches: raw patches.
        expected: of the model, for each batch each output.
        exact: whether more than rounding is refused.

    Returns:
        Largest differences of each output, share of equal classes, patches, batches and seconds, as plain data.

    Raises:
        NotEqual: when it does not run, or differs by more than rounding.
    """
    found, seconds = _answers(kind, file, batches, len(outputs))
    said: dict[str, Any] = {"patches": sum(map(len, batches)), "batches": [len(b) for b in batches if len(b) < 8][:4]}
    for place, name in enumerate(outputs):
        pairs = [(ours[place], theirs[place]) for ours, theirs in zip(expected, found, strict=True)]
        if any(ours.shape != theirs.shape or not np.isfinite(theirs).all() for ours, theirs in pairs):
            raise NotEqual(f"{file.name}: {name} has another shape than the model's, or holds NaN.")
        difference = max(float(np.abs(ours - theirs).max()) for ours, theirs in pairs)
        said[f"largest difference of {name}"] = difference
        scale = max(1.0, *(float(np.abs(ours).max()) for ours, _ in pairs))
        limit = PROBABILITIES if name == "probabilities" else LOGITS * scale
        if name == "probabilities":
            equal = np.concatenate([ours.argmax(1) == theirs.argmax(1) for ours, theirs in pairs])
            said["equal classes"] = float(equal.mean())
        if exact and not difference <= limit:
            raise NotEqual(
                f"{file.name}: {name} differ by up to {difference:.3g} from the model's ({limit:.3g} allowed)."
            )
    return {**said, "seconds": round(seconds, 3)}


def _answers(
    kind: str, file: Path, batches: Sequence[np.ndarray], outputs: int
) -> tuple[list[list[np.ndarray]], float]:
    given, taken = file.with_name("inputs.npz"), file.with_name("outputs.npz")
    np.savez(given, **{str(number): batch for number, batch in enumerate(batches)})  # type: ignore[arg-type]
    command = [sys.executable, "-c", Path(runtime.__file__).read_text(encoding="utf-8"), kind]
    command += map(str, (file.resolve(), given.resolve(), taken.resolve()))
    environment = {**python_environment(), VARIABLE: ",".join(trusted_packages())}
    done = subprocess.run(
        command, cwd=file.parent, env=environment, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"ended with {done.returncode}"]
        raise NotEqual(f"{file.name}: does not run in a process of its own ({lines[-1][:200]}).")
    try:
        with np.load(taken) as arrays:
            found = [[arrays[f"{number}_{place}"] for place in range(outputs)] for number in range(len(batches))]
            return found, float(arrays["seconds"])
    except KeyError as error:
        raise NotEqual(f"{file.name}: lacks an output ({error}).") from None
    finally:
        given.unlink()
        taken.unlink()


def check_extra() -> None:
    """Refuse to start without the packages that write and read ONNX.

    Raises:
        UserError: with the line that installs them.
    """
    from importlib.util import find_spec

    if missing := [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]:
        raise UserError(f"export needs {', '.join(missing)}: pip install 'eurosat-cls[export]'")
