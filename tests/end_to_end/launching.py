"""Run commands in several processes that see each other as those of torchrun do.

A script of its own, because the processes are forks of one that has imported everything and runs no threads:

    python -m tests.end_to_end.launching FOLDER '[[processes, [argument, ...]], ...]'
"""

import json
import os
import socket
import sys
import time
from pathlib import Path

import eurosat_cls.cli.run  # noqa: F401 - what main imports when it runs; forks shall not each do it anew
from tests.conftest import exit_code

LONGEST = 600.0  # seconds that a command may take, of which a hang is told by


def launch(folder: Path, processes: int, arguments: list[str]) -> list[int]:
    """Return the exit codes by rank; -9 of those that were killed, by the test or because the command hung."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes, "GROUP_RANK": 0, "MASTER_ADDR": "127.0.0.1",
              "MASTER_PORT": port, "TORCHELASTIC_RUN_ID": "test"}  # fmt: skip
    children: dict[int, int] = {}
    for rank in range(processes):
        if child := os.fork():
            children[child] = rank
            continue
        os.chdir(folder)
        log = os.open(f"rank{rank}.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        if processes > 1:
            os.environ |= {name: str(value) for name, value in {**shared, "RANK": rank, "LOCAL_RANK": rank}.items()}
        try:
            os._exit(exit_code(arguments))
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
    codes = dict.fromkeys(range(processes), -99)
    end = time.monotonic() + LONGEST
    while children:
        child, status = os.waitpid(-1, os.WNOHANG)
        if child:
            codes[children.pop(child)] = os.waitstatus_to_exitcode(status)
        elif time.monotonic() > end:
            for child in children:
                os.kill(child, 9)
        else:
            time.sleep(0.02)
    return list(codes.values())


if __name__ == "__main__":
    place, commands = sys.argv[1:]
    print(json.dumps([launch(Path(place), processes, arguments) for processes, arguments in json.loads(commands)]))
