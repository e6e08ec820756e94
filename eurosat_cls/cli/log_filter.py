"""Keep what Lightning says to what a user can use."""

import io
import logging
import sys
import warnings

from eurosat_cls.utils.text import printable

_WARNINGS = (
    ".*does not have many workers.*",  # batches are read whole, in this process, by design
    ".*isinstance.treespec, LeafSpec.*",  # Lightning's own use of torch
    ".*LightningCLI's args parameter is intended.*",  # main(args) is meant to be called so
    ".*experiment logs directory .* exists and is not empty.*",  # a run that is continued or tested
    ".*Precision .* is not supported by the model summary.*",
    ".*Couldn't infer the batch indices.*",  # a batch carries its own
    ".*is smaller than the logging interval.*",  # metrics are logged by epoch
    ".*Checkpoint directory .* exists and is not empty.*",
)
_MESSAGES = (
    "litlogger",
    "litmodels",
    "`weights_only` was not set",
    "TPU available",
    "Automatic Mixed Precision",
    "`Trainer.fit` stopped",
    "GPU available",
    "HPU available",
    "Restoring states from",
    "Restored all states from",
    "Loaded model weights from",
    "LOCAL_RANK:",
)


def _useful(record: logging.LogRecord) -> bool:
    message = record.getMessage()
    return not any(part in message for part in _MESSAGES)


def _printable(record: logging.LogRecord) -> bool:
    record.msg, record.args = printable(record.getMessage()), None
    return True


def quieten() -> None:
    """Drop warnings and log lines that say nothing about the user's run; let every name be printed somehow."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as that of stderr is
    if logging.lastResort is not None:  # what prints where nobody has configured logging
        logging.lastResort.addFilter(_printable)
    for message in _WARNINGS:
        warnings.filterwarnings("ignore", message)
    for name in list(logging.root.manager.loggerDict):
        if name.startswith(("lightning.", "lightning_fabric", "lightning")):
            logging.getLogger(name).addFilter(_useful)
