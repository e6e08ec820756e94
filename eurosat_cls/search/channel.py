"""What the process of a trial and its search say to each other.

Trials do not report through the study's storage themselves: one that is killed while it holds the lock of a journal
stops the whole search for the 30 seconds after which Optuna breaks a lock.
"""

import json
import os
import queue
import signal
import threading

RESULT = "trial.json"  # in the run folder: the best epoch so far, or why there is none
OVERLAY = "overlay.yaml"  # there too: what the trial adds to the configuration
STOP, GO = "stop", "go"


class Channel:
    """The line to the search: its standard input and output. What else is printed goes to standard error.

    When the search dies the line is cut, and this process ends as after SIGTERM.
    """

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        self._answers: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def ask(self, epoch: int, value: float) -> bool:
        """Tell a metric; return whether the search wants the training to stop."""
        try:
            print(json.dumps({"epoch": epoch, "value": value}), file=self._out, flush=True)
        except OSError:  # the search is gone, and _listen has noticed
            return False
        return self._answers.get() == STOP

    def _listen(self) -> None:
        received = b""
        # Not sys.stdin, whose lock a waiting thread would hold when the interpreter ends.
        while chunk := os.read(0, 256):
            *lines, received = (received + chunk).split(b"\n")
            for line in lines:
                self._answers.put(line.decode())
        self._answers.put(GO)
        os.kill(os.getpid(), signal.SIGTERM)
