"""A process that says what a training says, in a tenth of a second; run with ``python -m`` in place of one.

Its overlay has ``x``, the metric that it reaches in three epochs, and ``act``, what happens after the first one.
"""

import errno
import os
import signal
import sys
from pathlib import Path

import yaml

from eurosat_cls.search.channel import RESULT, Channel
from eurosat_cls.utils.files import write_json, write_text

EPOCHS = 3


def run(folder: Path, arguments: list[str]) -> None:
    channel = Channel()
    last = folder / "checkpoints" / "last.ckpt"
    done = int(last.read_text()) if "--ckpt_path" in arguments else 0
    overlay = yaml.safe_load((folder / "overlay.yaml").read_text())
    act, x = overlay.get("act", "train"), float(overlay.get("x", 1.0))
    with open(folder / "epochs.txt", "a") as file:
        for epoch in range(done + 1, EPOCHS + 1):
            file.write(f"{epoch}\n")
            file.flush()
            write_json(folder / RESULT, {"value": x * epoch, "epoch": epoch, "metrics": {"val/accuracy": x * epoch}})
            stop = channel.ask(epoch, x * epoch)
            write_text(last, str(epoch))
            if stop:
                return
            if epoch == 1 and done == 0:
                misbehave(act, folder)
            if act == "killed":
                os.kill(os.getpid(), signal.SIGKILL)


def misbehave(act: str, folder: Path) -> None:
    if act == "killed once":
        os.kill(os.getpid(), signal.SIGKILL)
    if act == "slow":
        sys.stdin.read()  # until it is ended, or whoever started it
    if act == "memory":
        raise MemoryError("cannot allocate 80 GB")
    if act == "full once":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if act == "refused":
        print("eurosat_cls: error: batch_size: 0 is no size", file=sys.stderr)
        sys.exit(2)
    if act == "diverged":
        write_json(folder / RESULT, {"diverged": "The training loss is nan at step 3."})
        sys.exit(2)
    if act == "unlogged":
        write_json(folder / RESULT, {"logged": ["val/accuracy", "val/loss"]})
        sys.exit(2)


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2:])
