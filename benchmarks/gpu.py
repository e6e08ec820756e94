"""Everything that wants a CUDA device, in one command: what works, how fast it is, how long a training takes.

    EUROSAT_ROOT=... python benchmarks/gpu.py --output gpu.json [--device cuda] [--seconds 460]

Its parts (`gpu_parts.py`) run one after the other in processes of their own, each for so many seconds at most: a part
that fails, hangs or ends its process leaves a reason, and the next one goes on. What a part had found by then is kept.
Nothing is downloaded: without ``EUROSAT_ROOT`` the parts work on the demo data, and say so. The file is written anew
after each part. ``--device cpu`` tries the parts themselves where there is no such device.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
# In this order, with the seconds of 460 that each may take; what is not used is for the last one.
PARTS = {"machine": 40, "parity": 70, "steps": 110, "fit": 70, "two_processes": 70, "training": 100}
LAST = "training"
ENDING = 5.0  # seconds that are left for writing and for killing
_WORDS = 1500  # letters of what a process said, that are kept of a failure


def supervise(command: Sequence[str], result: Path, seconds: float, **more: Any) -> dict[str, Any]:
    """Run a process for so long at most, and return what it has found by the end, with a reason where it failed.

    Args:
        command: writes what it finds into ``result``, as JSON.
        result: the file.
        seconds: after which the process and those that it has started are killed.
        more: for ``subprocess.Popen``.
    """
    start, reason = time.monotonic(), None
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True, **more)
        try:
            code = child.wait(max(0.1, seconds))
            reason = f"exit code {code}" if code else None
        except subprocess.TimeoutExpired:
            reason = f"not done after {seconds:.0f} s"
        finally:
            with suppress(ProcessLookupError, PermissionError):  # those that it left behind, too
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        said.seek(0)
        words = said.read().decode("utf-8", "replace").strip()
    found: dict[str, Any] = {"ok": reason is None, "seconds": round(time.monotonic() - start, 1)}
    if reason is not None:
        found |= {"reason": reason, "said": words[-_WORDS:]}
    with suppress(OSError, ValueError):
        found["found"] = json.loads(result.read_text())
    return found


def main() -> int:
    """Run the parts, write the file, and say in a line what became of each; 1 where one has failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("gpu.json"))
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--seconds", type=float, default=float(sum(PARTS.values())), help="of all parts together")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    given = parser.parse_args()
    start = time.monotonic()
    whole: dict[str, Any] = {
        "command": " ".join(["python", "benchmarks/gpu.py", *sys.argv[1:]]), "device": given.device,
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"), "parts": {},
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        root = os.environ.get("EUROSAT_ROOT")
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "benchmarks")))}
        env |= {"EUROSAT_CACHE": f"{name}/cache", **({"EUROSAT_ROOT": os.path.abspath(root)} if root else {})}
        for part in [part for part in PARTS if part in given.parts]:
            left = given.seconds - (time.monotonic() - start) - ENDING
            seconds = left if part == LAST else min(left, PARTS[part] * given.seconds / sum(PARTS.values()))
            folder = Path(name) / part
            folder.mkdir()
            done = whole["parts"]
            rate = done.get("fit", {}).get("found", {}).get("images_per_second", 0)
            command = [sys.executable, "-m", "gpu_parts", part, given.device, f"{seconds:.0f}", f"{rate:.0f}"]
            result = folder / "result.json"
            done[part] = (
                supervise([*command, str(result)], result, seconds, cwd=folder, env=env)
                if seconds > 1
                else {"ok": False, "seconds": 0.0, "reason": "no time was left"}
            )
            whole["seconds"] = round(time.monotonic() - start, 1)
            given.output.write_text(json.dumps(whole, indent=1) + "\n")
            print(f"{part:14} {done[part]['seconds']:6.1f} s  {done[part].get('reason', 'done')}", flush=True)
    print(f"written to {given.output} after {whole['seconds']:.0f} s")
    return int(not all(part["ok"] for part in whole["parts"].values()))


if __name__ == "__main__":
    sys.exit(main())
