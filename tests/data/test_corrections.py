"""Corrected labels reach every data module, and move no patch."""

from pathlib import Path

import numpy as np
import pytest

from eurosat_cls.data import Demo
from eurosat_cls.data.corrections import corrected
from eurosat_cls.data.resumed import print_changes
from eurosat_cls.utils.errors import UserError
from tests.data.splits.helpers import eurosat_store, multilabel_store

AUDIT = "file,given,suggested,p_given,p_suggested,margin,agreeing,verdict\n"
RIVER = "River/River_1.jpg"


def table(folder: Path, text: str) -> Path:
    path = folder / "corrected.csv"
    path.write_text(text)
    return path


def test_only_wrong_labels_of_an_audit_are_replaced(tmp_path: Path) -> None:
    store = eurosat_store(4)
    rows = [
        f"{RIVER},River,Highway,0.1,0.9,0.8,2,wrong", "River/River_2.jpg,River,Highway,0.1,0.9,0.8,2,right",
        "River/River_3.jpg,River,Forest,0.1,0.9,0.8,2,unclear", "Forest/Forest_1.jpg,Forest,Pasture,0.1,0.9,0.8,2,",
    ]  # fmt: skip
    found = corrected(store, table(tmp_path, AUDIT + "\n".join(rows)))
    changed = np.flatnonzero(found.labels != store.labels)
    assert [store.files[row] for row in changed] == [RIVER]
    assert found.class_names[int(found.labels[changed[0]])] == "Highway"
    assert found.images is store.images


def test_a_plain_table_will_do_and_extensions_do_not_matter(tmp_path: Path) -> None:
    found = corrected(eurosat_store(4, ".tif"), table(tmp_path, f"file,label\n{RIVER},Forest\n"))
    assert found.class_names[int(found.labels[found.files.index("River/River_1.tif")])] == "Forest"


def test_the_split_stays_and_a_training_takes_the_labels_up(tmp_path: Path) -> None:
    plain = Demo(patches_per_class=10, batch_size=10)
    file = plain.files(plain.split.train[:1].tolist())[0]
    tested = plain.files(plain.split.test[:1].tolist())[0]
    path = table(tmp_path, f"file,label\n{file},DemoSeaLake\n{tested},DemoSeaLake\n")
    data = Demo(patches_per_class=10, batch_size=10, labels=str(path))
    assert data.split.sha256 == plain.split.sha256
    assert data.store.path == plain.store.path, "the store is not built anew"
    assert data.class_counts[-1] == plain.class_counts[-1] + 1
    batch = next(iter(data.test_dataloader()))
    assert data.class_names[int(batch.target[0])] == "DemoSeaLake"
    assert "labels" not in plain.state_dict()
    assert len(data.state_dict()["labels"]) == 12


def test_a_training_that_goes_on_with_other_corrections_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    state = {"fingerprint": "f", "source": "s", "seed": 0, "global_batch": 8}
    print_changes({**state, "labels": "aaa"}, {**state, "labels": "aaa"})
    print_changes({}, state)
    assert capsys.readouterr().err == ""
    print_changes(state, {**state, "labels": "aaa"})
    assert "corrections (data.labels): None in the checkpoint, aaa now" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "file,label\nRiver/River_9.jpg,Forest\nRiver/River_1.jpg,Forest\n",
            "the data lack 1 of its 2 files: River/Ri",
        ),
        ("file,label\na.jpg,Forest\n", "is the table of other data than some.zip"),
        (f"file,label\n{RIVER},Forrest\n", "River_1.jpg: the data have no class 'Forrest'. Did you mean 'Forest'"),
        (f"file,label\n{RIVER},Forest\n{RIVER},Pasture\n", "River_1.jpg is there twice"),
        (f"file,label\n{RIVER},Forest\nRiver/River_1.tif,Forest\n", "the same patch is there twice"),
        (f"{AUDIT}{RIVER},Forest,Pasture,0,1,1,1,wrong\n", "is Forest there and River in some.zip"),
        (f"{AUDIT}{RIVER},River,,0,1,1,1,wrong\n", "no class ''"),
        (f"{AUDIT}{RIVER},River,Forest,0,1,1,1,yes\n", "the verdict 'yes' is none of right, wrong, unclear"),
        (f"file,class\n{RIVER},Forest\n", "has no column given and no suggested and no verdict"),
        ("", "has no rows; columns are file and label"),
        ("file,label\n", "has no rows; columns are file and label"),
        ("file,label\n" + "".join(f"River/River_{n}.jpg,Forest\n" for n in range(1, 5)), "no patch of class River"),
    ],
)
def test_tables_that_are_wrong_or_of_other_data_are_named(text: str, said: str, tmp_path: Path) -> None:
    path = table(tmp_path, text)
    with pytest.raises(UserError) as error:
        corrected(eurosat_store(4), path)
    assert str(path) in str(error.value)
    assert said in str(error.value)


def test_patches_of_several_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="one label each"):
        corrected(multilabel_store(), table(tmp_path, "file,label\np1.tif,rare\n"))
