"""A study is joined by the same search only, and storages that fail say so."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from eurosat_cls.search.study import open_storage, open_study, pruner_of, sampler_of, storage_errors
from eurosat_cls.utils.errors import UserError
from tests.search.conftest import WHAT


def join(tmp_path: Path, **changed: Any) -> optuna.Study:
    mode = changed.get("mode", "max")
    storage = open_storage(str(tmp_path / "journal.log"))
    return open_study("s", storage, {**WHAT, **changed}, mode, sampler_of(0), pruner_of("none", 3))


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"mode": "min"}, "its mode is None, not min"),
        ({"kind": "grid"}, "its kind is sampled, not grid"),
        ({"space": {"x": "1 to 3"}}, "space: x was None, is 1 to 3"),
        ({"settings": {"trainer.max_epochs": 3}}, "settings: trainer.max_epochs was None, is 3"),
    ],
)
def test_another_search_of_the_same_name_is_refused(changed: dict[str, Any], match: str, tmp_path: Path) -> None:
    study = join(tmp_path)
    study.tell(study.ask(), 0.5)
    with pytest.raises(UserError, match=f"study s is of another search.*{match}"):
        join(tmp_path, **changed)
    assert len(join(tmp_path).trials) == 1, "nothing is lost"


def test_a_study_without_results_takes_new_settings(tmp_path: Path) -> None:
    study = join(tmp_path)
    study.tell(study.ask(), state=TrialState.FAIL)
    study = join(tmp_path, mode="min")
    assert study.direction == optuna.study.StudyDirection.MINIMIZE
    assert study.trials == []


@pytest.mark.slow
def test_a_study_that_somebody_else_made_is_refused(tmp_path: Path) -> None:
    optuna.create_study(study_name="s", storage=open_storage(str(tmp_path / "journal.log")))
    with pytest.raises(UserError, match="was not made by this command"):
        join(tmp_path)


def test_who_joins_draws_otherwise_than_those_before(study: Callable[..., optuna.Study]) -> None:
    drawn = [study().ask().suggest_float("x", 0, 1) for _ in range(3)]
    assert len(set(drawn)) == 3


def test_a_journal_with_a_torn_last_line_goes_on(tmp_path: Path) -> None:
    study = join(tmp_path)
    study.tell(study.ask(), 0.5)
    with open(tmp_path / "journal.log", "ab") as journal:
        journal.write(b'{"op_code":4,"study_')
    study = join(tmp_path)
    study.tell(study.ask(), 0.7)
    assert [trial.value for trial in join(tmp_path).trials] == [0.5, 0.7]


@pytest.mark.slow
def test_a_database_serves_too(tmp_path: Path) -> None:
    for known in range(2):
        storage = open_storage(f"sqlite:///{tmp_path / 'search.db'}")
        study = open_study("s", storage, WHAT, "max", sampler_of(0), pruner_of("none", 3))
        assert len(study.trials) == known
        study.tell(study.ask(), 0.5)


@pytest.mark.slow
def test_a_database_that_stays_locked_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eurosat_cls.search.study.BUSY_SECONDS", 0.2)
    place = f"sqlite:///{tmp_path / 'search.db'}"
    study = open_study("s", open_storage(place), WHAT, "max", sampler_of(0), pruner_of("none", 3))
    other = sqlite3.connect(tmp_path / "search.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    for act in (lambda: open_storage(place), study.ask):
        with pytest.raises(UserError, match=r"cannot be used .*database is locked"), storage_errors(place):
            act()
    other.execute("ROLLBACK")
    study.tell(study.ask(), 0.5)
    assert [trial.value for trial in study.trials] == [0.5]


def test_storages_that_cannot_be_used_are_named_without_their_password(tmp_path: Path) -> None:
    (tmp_path / "file.db").write_text("no database " * 100)
    (tmp_path / "journal.log").write_text("no journal\nat all\n")
    (tmp_path / "a_file").write_text("")
    for place, match in (
        (f"sqlite:///{tmp_path / 'file.db'}", "file is not a database"),
        (str(tmp_path / "journal.log"), "it is no storage of studies"),
        (str(tmp_path / "a_file" / "journal.log"), "cannot be used"),
        (str(tmp_path), "cannot be used"),
        ("nothing://somewhere", "cannot be used"),
    ):
        with pytest.raises(UserError, match=match):
            open_storage(place)
    with pytest.raises(UserError, match="--storage") as told:
        open_storage("postgresql://me:secret@127.0.0.1:1/search")
    assert "secret" not in str(told.value)
