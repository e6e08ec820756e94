"""What a task means for the outputs of a network: its loss, its probabilities, its decisions and its scores."""

from collections.abc import Sequence

from eurosat_cls.data.batch import TaskName
from eurosat_cls.models.tasks.base import LossFactory, MetricFactory, Task
from eurosat_cls.models.tasks.binary import Binary
from eurosat_cls.models.tasks.multiclass import Multiclass
from eurosat_cls.models.tasks.multilabel import Multilabel
from eurosat_cls.utils.errors import UserError

__all__ = ["LossFactory", "MetricFactory", "Task", "task_for"]


def task_for(task: TaskName, class_names: Sequence[str]) -> Task:
    """Return the rules of a task for these classes.

    Raises:
        UserError: for an unknown task, fewer than two classes (a single label is enough for ``multilabel``), or a
            binary task of more than two.
    """
    kinds: dict[str, type[Task]] = {"multiclass": Multiclass, "binary": Binary, "multilabel": Multilabel}
    if task not in kinds:
        raise UserError(f"model.task: {task!r} is not one of {', '.join(kinds)}.")
    if len(class_names) < 2 and task != "multilabel":
        raise UserError(f"There is one class only ({', '.join(class_names)}); at least two are needed.")
    if task == "binary" and len(class_names) != 2:
        raise UserError(f"task: binary needs two classes, the second being the positive one; got {len(class_names)}.")
    return kinds[task](class_names)
