"""What a config or a checkpoint may name, reach, write and keep: tried from outside."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import eurosat_cls
from eurosat_cls import Classifier, UserError
from eurosat_cls.utils.network import offline, online
from tests.config.parsers import parsed
from tests.hostile.helpers import BASE, checkpoint, from_file, nested, part, said

Run = Callable[..., tuple[int, str]]
TOKEN = "top-secret-token"
LOGGERS, CALLBACKS = "lightning.pytorch.loggers", "lightning.pytorch.callbacks"
EXPORT = "eurosat_cls.callbacks.EncoderExport"


@pytest.fixture(autouse=True)
def nobody_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EUROSAT_TRUST", raising=False)
    monkeypatch.setenv("STAND_IN_TOKEN", TOKEN)


@pytest.fixture
def listener() -> Iterator[tuple[str, list[Any]]]:
    """An address of this machine, and who has connected to it."""
    server, came = socket.create_server(("127.0.0.1", 0)), []

    def accept() -> None:
        while True:
            try:
                connection, who = server.accept()
            except OSError:
                return
            came.append(who)
            connection.close()

    threading.Thread(target=accept, daemon=True).start()
    yield f"127.0.0.1:{server.getsockname()[1]}", came
    server.close()


# --- 1: roles ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "loss",
    [part("timm.task.DistillationTeacher", model_name_or_module="resnet10t", num_classes=10),
     part("torchmetrics.functional.image.arniqa._ARNIQA", regressor_dataset="koniq10k"),
     part(f"{LOGGERS}.CSVLogger", save_dir="."), part(f"{CALLBACKS}.ModelCheckpoint", dirpath="."),
     part("eurosat_cls.encoders.TimmBackbone", name="resnet10t", weights=True)],
)  # fmt: skip
def test_what_is_no_loss_is_not_built_as_one(tmp_path: Path, loss: dict[str, Any]) -> None:
    assert "model.init_args.loss" in from_file({"model": {"init_args": {"loss": loss}}})
    with pytest.raises(UserError, match=r"evil\.ckpt: .* is refused"):
        eurosat_cls.load(checkpoint(tmp_path / "evil.ckpt", loss=loss))


def test_a_checkpoint_fetches_no_weights(tmp_path: Path) -> None:
    encoder = part("eurosat_cls.encoders.TorchvisionBackbone", name="resnet18", weights="IMAGENET1K_V1")
    path = checkpoint(tmp_path / "evil.ckpt", encoder=encoder)
    for load in (eurosat_cls.load, Classifier.load_from_checkpoint):
        with pytest.raises(UserError, match="refused with weights to start from"):
            load(path)


# --- 2: no network ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["ftp", "http", "s3", "memory", "simplecache::hf"])
@pytest.mark.parametrize(
    ("key", "value"),
    [("trainer.default_root_dir", "{}"), ("checkpoint.dirpath", "{}"), ("ckpt_path", "{}"),
     ("data", "{{class_path: EuroSAT, init_args: {{root: '{}'}}}}"),
     ("trainer.logger", f"{{{{class_path: {LOGGERS}.CSVLogger, init_args: {{{{save_dir: '{{}}'}}}}}}}}"),
     ("trainer.callbacks", f"[{{{{class_path: {CALLBACKS}.ModelCheckpoint, init_args: {{{{dirpath: '{{}}'}}}}}}}}]"),
     ("hyperparameters.a", "{}")],
)  # fmt: skip
def test_no_setting_is_an_address(key: str, value: str, scheme: str) -> None:
    address = f"{scheme}://127.0.0.1:9/${{env:STAND_IN_TOKEN}}"
    more = ("--trainer.default_root_dir", "${hyperparameters.a}") if key.startswith("hyper") else ()
    printed = said(f"--{key}", value.format(address), *more)
    assert "it is read from local files only; download it first" in printed


@pytest.mark.slow
@pytest.mark.parametrize("address", ["memory::a", "github::a/b", "simplecache::memory", "-://a", "DATA+x://a", "é://a"])
def test_nor_what_is_put_together_as_one(address: str) -> None:
    assert "it is read from local files only" in from_file({"checkpoint": {"dirpath": address}})


def test_whatever_opens_a_connection_is_stopped(listener: tuple[str, list[Any]]) -> None:
    import fsspec

    address, came = listener
    host, port = address.split(":")
    with offline():
        for connect in (
            lambda: socket.create_connection((host, int(port))),
            lambda: fsspec.open(f"ftp://{address}/a").open(),
            lambda: socket.getaddrinfo(f"{TOKEN}.example.org", 80),
            lambda: socket.gethostbyaddr(host),
            lambda: socket.getnameinfo((host, int(port)), 0),
            lambda: socket.socket(type=socket.SOCK_DGRAM).sendmsg([b"a"], [], 0, (host, int(port))),
        ):
            with pytest.raises(UserError, match="no setting asked for the network"):
                connect()
        assert not came
        with online():
            socket.create_connection((host, int(port))).close()
    socket.create_connection((host, int(port))).close()


CALLER = """
import socket
import torch

def call():
    socket.create_connection(("{}", {})).close()

class Loss(torch.nn.CrossEntropyLoss):
    def __init__(self, weight: torch.Tensor | None = None):
        super().__init__(weight)
        call()
"""


def test_a_command_is_offline_until_it_takes_a_class_that_the_user_trusts(
    run: Run, tmp_path: Path, listener: tuple[str, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "caller.py").write_text(CALLER.format(*listener[0].split(":")))
    monkeypatch.syspath_prepend(str(tmp_path))
    before = "eurosat_cls.cli.application.EuroSATCLI.before_instantiate_classes"
    trusting = ("--trust", "caller")
    with monkeypatch.context() as patched:
        patched.setattr(before, lambda self: __import__("caller").call())
        for options in ((), trusting):  # a package that nothing names has no say
            code, printed = run("summary", *options)
            assert (code, "no setting asked for the network" in printed) == (2, True)
    assert not listener[1]
    code, printed = run("summary", *trusting, "--model.init_args.loss", "caller.Loss")
    assert code == 0, printed


# --- 4: places --------------------------------------------------------------------------------------------------------

WRITERS = {
    "logger": ("trainer.logger", lambda place: part(f"{LOGGERS}.CSVLogger", save_dir=place)),
    "name": ("trainer.logger", lambda place: part(f"{LOGGERS}.TensorBoardLogger", save_dir=".", name=place)),
    "profiler": ("trainer.profiler", lambda place: part("lightning.pytorch.profilers.SimpleProfiler", dirpath=place)),
    "filename": ("trainer.callbacks", lambda place: [part(f"{CALLBACKS}.ModelCheckpoint", filename=f"{place}/x")]),
    "encoder": ("trainer.callbacks", lambda place: [part(EXPORT, path=f"{place}/x.safetensors")]),
    "exception": ("trainer.callbacks", lambda place: [part(f"{CALLBACKS}.OnExceptionCheckpoint", dirpath=place)]),
    "checkpoint": ("checkpoint.dirpath", lambda place: place),
    "root": ("trainer.default_root_dir", lambda place: place),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("place", ["{home}", "../home", "~/home", "here/../../home"])
def test_a_file_writes_below_the_root_only(tmp_path: Path, writer: str, place: str) -> None:
    (home := tmp_path.parent / f"{tmp_path.name}_home").mkdir()
    key, make = WRITERS[writer]
    assert "is outside of" in from_file(nested(key, make(place.format(home=home))))


@pytest.mark.slow
@pytest.mark.parametrize("place", ["$STAND_IN_TOKEN", "$${STAND_IN_TOKEN}", "x/$HOME"])
@pytest.mark.parametrize("writer", ["logger", "name", "checkpoint"])
def test_no_variable_is_named_in_another_way(writer: str, place: str) -> None:
    key, make = WRITERS[writer]
    assert "a variable of the environment is written ${env:NAME}" in from_file(nested(key, make(place)))


def test_a_link_does_not_lead_out(tmp_path: Path) -> None:
    (home := tmp_path.parent / f"{tmp_path.name}_home").mkdir()
    Path("inside").symlink_to(home)
    assert "is outside of" in from_file({"checkpoint": {"dirpath": "inside/x"}})


@pytest.mark.parametrize("name", ["--mine.yaml", "text of --config.yaml"])
def test_a_file_that_is_called_like_an_option_is_a_file(tmp_path: Path, name: str) -> None:
    Path(name).write_text(f"default_root_dir: {tmp_path.parent}\n")
    assert "is outside of" in from_file({"trainer": name})
    Path(name).write_text("checkpoint: {dirpath: '${env:STAND_IN_TOKEN}'}\n")
    assert "would be kept or lead somewhere" in said(f"--config={name}")


@pytest.mark.slow
def test_the_name_of_a_file_leads_not_out_of_the_folder_beside_it(tmp_path: Path) -> None:
    (home := tmp_path.parent / f"{tmp_path.name}_home").mkdir()
    Path("here").mkdir()
    Path("here/link").symlink_to(home)
    callback = part(f"{CALLBACKS}.ModelCheckpoint", dirpath="here", filename="link/x")
    assert "filename: link/x is outside of" in from_file({"trainer": {"callbacks": [callback]}})
    for name in ("{epoch:/>3}", "{epoch:.>2}/x", "{val/loss:999999999}", "{", "{epoch!r}", "{0[epoch]}"):
        callback = part(f"{CALLBACKS}.ModelCheckpoint", dirpath="here", filename=name)
        assert f"filename: {name} is outside of" in from_file({"trainer": {"callbacks": [callback]}})
    Path("fine.yaml").write_text(yaml.safe_dump({"trainer": {"callbacks": [part(f"{CALLBACKS}.ModelCheckpoint",
                                 dirpath="here", filename="{epoch}-{val/loss:.2f}")]}}))  # fmt: skip
    parsed("fit", *BASE, "--config", "fine.yaml")


@pytest.mark.slow
@pytest.mark.parametrize("writer", WRITERS)
def test_the_command_line_writes_where_it_says_and_a_file_below_the_root(tmp_path: Path, writer: str) -> None:
    key, make = WRITERS[writer]
    parsed("fit", *BASE, f"--{key}", yaml.safe_dump(make(str(tmp_path.parent)), default_flow_style=True).strip())
    Path("mine.yaml").write_text(yaml.safe_dump(nested(key, make("runs/here"))))
    parsed("fit", *BASE, "--config", "mine.yaml")


@pytest.mark.slow
def test_the_root_of_a_file_is_below_the_folder_of_runs_or_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path.parent / f"{tmp_path.name}_runs"
    own = elsewhere / "lightning_logs/version_0/config.yaml"
    own.parent.mkdir(parents=True)
    own.write_text(f"trainer: {{default_root_dir: {elsewhere}}}\n")
    parsed("fit", *BASE, "--config", str(own))
    Path("evil.yaml").write_text(own.read_text())
    assert "give it by --trainer.default_root_dir" in said("--config", "evil.yaml")
    monkeypatch.setenv("EUROSAT_RUNS", str(elsewhere))
    parsed("fit", *BASE, "--config", "evil.yaml")
    parsed("fit", *BASE, "--config", "evil.yaml", "--trainer.default_root_dir", "${env:EUROSAT_RUNS,.}")


# --- 6: secrets -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "value"),
    [("trainer.logger", part(f"{LOGGERS}.TensorBoardLogger", save_dir=".", sub_dir="${env:STAND_IN_TOKEN}")),
     ("trainer.logger", part(f"{LOGGERS}.CSVLogger", save_dir=".", name="x-${env:STAND_IN_TOKEN}")),
     ("trainer.default_root_dir", "runs/${env:STAND_IN_TOKEN,x}"),
     ("data", part("EuroSAT", root="${env:STAND_IN_TOKEN}")),
     ("model.init_args.lr_scheduler_monitor", "${env:STAND_IN_TOKEN}"), ("checkpoint.monitor", "${env:STAND_IN_TOKEN}"),
     ("data", part("EuroSAT", root="${env:EUROSAT_ROOT,}${env:STAND_IN_TOKEN}"))],
)  # fmt: skip
def test_the_environment_leads_nowhere_and_is_kept_nowhere(key: str, value: Any) -> None:
    printed = from_file(nested(key, value))
    assert "would be kept or lead somewhere" in printed
    assert TOKEN not in printed


@pytest.mark.slow
def test_a_run_keeps_references_and_no_values(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EUROSAT_RUNS", "private-runs")
    monkeypatch.setenv("RATE", "0.0123")
    monkeypatch.setenv("PROCESSOR", "cpu")
    Path("mine.yaml").write_text(
        "hyperparameters: {lr: '${env:RATE}'}\n"
        "trainer: {default_root_dir: '${env:EUROSAT_RUNS,.}', accelerator: '${env:PROCESSOR}', max_epochs: 1}\n"
        "model: {init_args: {optimizer: {class_path: SGD, init_args: {lr: '${hyperparameters.lr}'}}}}\n"
    )
    options = ("--checkpoint.dirpath", "private-runs/${env:STAND_IN_TOKEN}")
    code, printed = run("fit", "--config", "mine.yaml", *options)
    assert code == 0, printed
    folder = Path("private-runs/lightning_logs/version_0")
    kept = yaml.safe_load((folder / "config.yaml").read_text())
    assert kept["trainer"]["default_root_dir"] == "${env:EUROSAT_RUNS,.}"
    assert kept["trainer"]["accelerator"] == "${env:PROCESSOR}"
    assert kept["model"]["init_args"]["optimizer"]["init_args"]["lr"] == "${env:RATE}"
    assert kept["checkpoint"]["dirpath"] == "private-runs/${env:STAND_IN_TOKEN}"
    holding = [file for file in Path.cwd().rglob("*") if file.is_file() and TOKEN.encode() in file.read_bytes()]
    assert not holding
    code, printed = run("fit", "--config", str(folder / "config.yaml"), *options)
    assert code == 0, printed
