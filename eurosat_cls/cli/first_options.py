"""The options that people need first, and what those mean that are called otherwise elsewhere."""

from typing import NamedTuple

from eurosat_cls.cli.commands import CONFIGURED

_RUNS = ("fit", "validate", "test", "predict")
_TRAINS = ("fit", "lr_find", "batch_size_find")
_ALL = tuple(CONFIGURED)


class Option(NamedTuple):
    """An option, what its value is, what it does, and the commands that need it first."""

    name: str
    value: str
    text: str
    commands: tuple[str, ...] = _ALL


FIRST = (
    Option("RUN", "", "a run folder or a checkpoint, in place of --config and --ckpt_path",
           (*_RUNS, "statistics", "show", "summary")),
    Option("IMAGES", "", "after RUN: folders, files or patterns of images, instead of the data", ("predict",)),
    Option("--config", "FILE", "a YAML file, or the name of a shipped one; of several, the later ones count for more"),
    Option("--ckpt_path", "PATH", "best, last, or the path of a checkpoint", _RUNS),
    Option("--output", "PATH", "where predictions go: a CSV file, or a folder", ("predict",)),
    Option("--output", "FOLDER", "where the files go", ("statistics", "show", "lr_find", "batch_size_find")),
    Option("--data", "CLASS", "what is read: EuroSAT, ImageFolder, Table, CIFAR10, Demo"),
    Option("--data.init_args.root", "PATH", "the folder or archive of the data"),
    Option("--data.init_args.split", "NAME", "random, official, spatial, or lists of files"),
    Option("--data.init_args.batch_size", "N", "patches of a batch"),
    Option("--data.init_args.augment+", "CLASS", "an augmentation more", ("show",)),
    Option("--model.init_args.encoder", "CLASS", "ResNet, Transformer, TorchvisionBackbone, ...", ("fit", "summary")),
    Option("--model.init_args.weights", "FILE", "weights to start from", ("fit",)),
    Option("--model.init_args.optimizer.init_args.lr", "RATE", "the learning rate", ("fit",)),
    Option("--model.init_args.test_time_augmentation", "true", "the mean over eight views", ("test", "predict")),
    Option("--trainer.max_epochs", "N", "the length of a training", ("fit",)),
    Option("--trainer.accelerator", "NAME", "cpu, gpu or auto", (*_RUNS, "lr_find", "batch_size_find")),
    Option("--trainer.precision", "NAME", "32-true, bf16-mixed, 16-mixed or auto", (*_RUNS, *_TRAINS[1:])),
    Option("--pictures+", "CLASS", "a picture more; --pictures [] for none", ("fit", "test")),
    Option("--seed_everything", "N", "the seed", ("fit",)),
    Option("--print_config", "", "print the whole configuration with the origin of every value, and end"),
)  # fmt: skip

# Commands and options by the names that other programs have for them.
COMMANDS_MEANT = {
    "train": "fit", "training": "fit", "resume": "fit", "finetune": "fit", "eval": "test", "evaluate": "test",
    "val": "validate", "infer": "predict", "inference": "predict", "classify": "predict", "stats": "statistics",
    "plot": "show", "visualize": "show", "info": "describe", "compare": "report", "tune": "search", "sweep": "search",
    "optimize": "search", "segment": "map",
}  # fmt: skip
_LR, _DATA, _MODEL = "model.init_args.optimizer.init_args", "data.init_args", "model.init_args"
OPTIONS_MEANT = {
    **dict.fromkeys(("lr", "learning_rate", "optimizer_lr", "base_lr"), f"{_LR}.lr"),
    **{name: f"{_LR}.{name}" for name in ("weight_decay", "momentum")},
    **dict.fromkeys(("epochs", "num_epochs", "max_epochs", "n_epochs"), "trainer.max_epochs"),
    **dict.fromkeys(("batch_size", "batch", "bs"), f"{_DATA}.batch_size"),
    **dict.fromkeys(("root", "data_dir", "data_root", "data_path", "dataset_path", "root_dir"), f"{_DATA}.root"),
    **{name: f"{_DATA}.{name}" for name in ("split", "bands", "augment", "train_fraction", "on_error", "table")},
    **dict.fromkeys(("dataset", "datamodule"), "data"),
    **dict.fromkeys(("backbone", "arch", "architecture", "encoder", "network"), f"{_MODEL}.encoder"),
    **dict.fromkeys(("scheduler", "lr_scheduler", "schedule"), f"{_MODEL}.lr_scheduler"),
    **dict.fromkeys(("pretrained", "weights"), f"{_MODEL}.weights"),
    **{name: f"{_MODEL}.{name}" for name in ("optimizer", "loss", "decoder", "metrics", "class_weights", "threshold")},
    **dict.fromkeys(("head", "classifier"), f"{_MODEL}.decoder"),
    **dict.fromkeys(("criterion", "loss_function"), f"{_MODEL}.loss"),
    **dict.fromkeys(("seed", "random_seed"), "seed_everything"),
    **dict.fromkeys(("gpus", "devices", "num_gpus"), "trainer.devices"),
    **dict.fromkeys(("device", "accelerator"), "trainer.accelerator"),
    **dict.fromkeys(("precision", "amp", "fp16", "bf16"), "trainer.precision"),
    **dict.fromkeys(("output_dir", "out_dir", "logdir", "log_dir", "save_dir"), "trainer.default_root_dir"),
    **dict.fromkeys(("checkpoint_path", "ckpt", "resume", "resume_from_checkpoint"), "ckpt_path"),
    **{name: f"trainer.{name}" for name in ("callbacks", "logger", "max_steps", "gradient_clip_val", "strategy")},
    "monitor": "checkpoint.monitor",
}

# Where Lightning's texts speak of what is done in another way here, or not at all.
HELPS = {
    "ckpt_path": "Checkpoint: best or last of the newest run of this configuration, or a path.",
    "seed_everything": "Seed of everything that is random; true for another one each time.",
    "trainer.accelerator": "cpu, gpu, or auto for what there is.",
    "trainer.precision": "16-mixed, bf16-mixed, 32-true and so on; auto times a few steps and takes the fastest.",
    "trainer.plugins": "Further plugins of Lightning's; that for safe checkpoints is always there.",
    "trainer.logger": "Loggers in place of TensorBoard's in the run folder; false for none.",
    "trainer.callbacks": "Callbacks; `trainer.callbacks+` adds one. Pictures are under `pictures`.",
    "trainer.max_epochs": "Epochs of the training; -1 for no end.",
    "trainer.max_steps": "Steps of the training, if they end it before its epochs do; -1 for no limit.",
    "trainer.log_every_n_steps": "Has no effect on metrics, which are logged by epoch.",
    "trainer.enable_checkpointing": "Whether checkpoints are written, as the group `checkpoint` says.",
    "trainer.enable_progress_bar": "Whether there is a bar; by default on a terminal only.",
    "trainer.enable_model_summary": "Whether Lightning's table of layers is printed; the command `summary` tells more.",
    "trainer.default_root_dir": "Folder in which `lightning_logs`, with the run folders, is made; by default here.",
    "trainer.model_registry": "Refused: checkpoints are neither sent to nor fetched from anywhere.",
}


def first_options(command: str) -> str:
    """Return the help of a command: the options that people need first."""
    shown = [option for option in FIRST if command in option.commands]
    run = next((" [RUN]" for option in shown if option.name == "RUN"), "")
    images = " [IMAGES ...]" if command == "predict" else ""
    heads = [f"{option.name} {option.value}".strip() for option in shown]
    width = min(max(map(len, heads)), 48)
    lines = [f"  {head:{width}}  {option.text}" for head, option in zip(heads, shown, strict=True)]
    return "\n".join([
        f"usage: python -m eurosat_cls {command}{run}{images} [--config FILE ...] [--KEY VALUE ...]", "",
        f"{CONFIGURED[command]}", "", "what is needed first:", *lines, "",
        f"  {'--help-all':{width}}  all options",
        f"  {'--model.help CLASS':{width}}  the settings of a class; likewise --data.help CLASS", "",
    ])  # fmt: skip
