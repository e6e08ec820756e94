"""From the archive to a ready store, opening it again, and memory.

EUROSAT_ROOT=... python benchmarks/store.py
"""

import os
import subprocess
import sys
import tempfile

BUILD = """
import time, resource
from eurosat_cls.data import EuroSAT
start = time.perf_counter()
patches = len(EuroSAT().store.files)
seconds = time.perf_counter() - start
print(f"{seconds:.3f} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.3f} {patches}")
"""

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "EUROSAT_CACHE": cache}
        for name in ("build", "open", "open again"):
            done = subprocess.run(
                [sys.executable, "-c", BUILD], env=environment, capture_output=True, text=True, check=True
            )
            seconds, gigabytes, patches = done.stdout.split()
            print(f"{name:12} {seconds:>8} s   {patches} patches   peak resident memory of the process {gigabytes} GB")
