"""A config is data: what it names is judged before it is imported, and nothing of it is executed."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.hostile.helpers import stranger, won

Run = Callable[..., tuple[int, str]]
__all__ = ["stranger"]  # a fixture

TOUCH = {"args": "touch won", "shell": True}
PROCESS = "torch.distributed.elastic.multiprocessing.subprocess_handler.SubprocessHandler"
RECORD = {"folder": ".", "config": "a: 1", "environment": {}}
START = {"entrypoint": "touch", "args": ["won"], "env": {}, "stdout": None, "stderr": None, "local_rank_id": 0}


def refused(run: Run, command: str, said: str, *options: str) -> None:
    code, printed = run(command, *options)
    assert not won()
    assert code == 2, printed
    assert said in printed
    assert not Path("lightning_logs").exists()


@pytest.mark.parametrize("command", ["fit", "summary", "statistics", "show", "lr_find"])
def test_a_command_is_not_started(run: Run, command: str) -> None:
    spec = yaml.safe_dump([{"class_path": "subprocess.Popen", "init_args": TOUCH}])
    refused(run, command, "subprocess.Popen is refused", "--trainer.plugins", spec)


def test_what_a_trusted_package_offers_for_other_ends_is_refused(run: Run) -> None:
    spec = yaml.safe_dump([{"class_path": PROCESS, "init_args": START}])
    refused(run, "fit", "SubprocessHandler is refused", "--trainer.plugins", spec)


def test_what_a_trusted_module_has_imported_is_refused(run: Run) -> None:
    spec = yaml.safe_dump([{"class_path": "torch.hub.sys.modules", "init_args": {}}])
    refused(run, "fit", "torch.hub.sys.modules cannot be imported", "--trainer.plugins", spec)
    spec = yaml.safe_dump([{"class_path": "torch.utils.cpp_extension.subprocess.Popen", "init_args": TOUCH}])
    refused(run, "fit", "subprocess.Popen cannot be imported", "--trainer.plugins", spec)


@pytest.mark.parametrize("place", ["model.init_args.loss", "model.init_args.encoder", "data", "model", "pictures"])
def test_a_stranger_is_not_imported(run: Run, stranger: str, place: str) -> None:
    spec = f"[{{class_path: {stranger}.Network}}]" if place == "pictures" else f"{stranger}.Network"
    refused(run, "fit", f"--trust {stranger} if you know it", f"--{place}", spec)


def test_a_file_cannot_be_given_any_content(run: Run) -> None:
    spec = yaml.safe_dump([{"class_path": "eurosat_cls.callbacks.RunMetadata", "init_args": RECORD}])
    refused(run, "fit", "RunMetadata is refused", "--trainer.callbacks", spec)


def test_what_is_found_out_after_the_import_is_told_with_its_place(run: Run, tmp_path: Path) -> None:
    overlay = tmp_path / "evil.yaml"
    overlay.write_text(
        "trainer:\n  max_epochs: 1\n  callbacks:\n    - class_path: lightning.pytorch.callbacks.Timer\n"
        "    - class_path: eurosat_cls.callbacks.TestReport\n      init_args: {folder: .}\n"
    )
    refused(run, "fit", "evil.yaml:5: trainer.callbacks[1].class_path: ", "--config", str(overlay))


def test_what_talks_to_a_network_is_asked_for(run: Run) -> None:
    name = "lightning.pytorch.loggers.wandb"
    refused(run, "fit", f"--trust {name}", "--trainer.logger", "lightning.pytorch.loggers.WandbLogger")


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system [touch won]", "!!python/object/new:os.system [touch won]"]
)
def test_tags_of_yaml_are_not_executed(run: Run, tmp_path: Path, tag: str) -> None:
    (tmp_path / "evil.yaml").write_text(f"trainer:\n  max_epochs: {tag}\n")
    code, _ = run("fit", "--config", str(tmp_path / "evil.yaml"))
    assert code == 2
    code, _ = run("fit", "--trainer.max_epochs", tag)
    assert code == 2
    assert not won()


def test_settings_from_the_environment_are_judged_alike(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JSONARGPARSE_DEFAULT_ENV", "true")
    spec = yaml.safe_dump([{"class_path": "subprocess.Popen", "init_args": TOUCH}])
    monkeypatch.setenv("PL_FIT__TRAINER__PLUGINS", spec)
    refused(run, "fit", "subprocess.Popen is refused")


@pytest.mark.parametrize("address", ["http://x.org/a.yaml", "s3://x/a.yaml", "file:///a.yaml", "hf://x/a.yaml"])
def test_a_config_from_elsewhere_is_not_fetched(run: Run, address: str) -> None:
    for option in (["--config", address], [f"--config={address}"]):
        refused(run, "fit", f"{address}: a config is read from local files only; download it first", *option)


def test_checkpoints_are_not_sent_anywhere(run: Run) -> None:
    refused(run, "fit", "checkpoints are neither sent to nor fetched from", "--trainer.model_registry", "me/theirs")


def test_a_config_cannot_trust(run: Run, stranger: str, tmp_path: Path) -> None:
    (tmp_path / "evil.yaml").write_text(f"trust: [{stranger}]\nmodel: {{init_args: {{loss: {stranger}.Network}}}}\n")
    code, _ = run("fit", "--config", str(tmp_path / "evil.yaml"))
    assert code == 2
    assert not won()
