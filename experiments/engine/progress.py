"""What long work shows while it runs: how far it is, and the time left."""

import datetime
import os
import sys
from typing import Any

import keras
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

# Where there is no terminal rich takes 80 columns, and cuts off what is wider.
_WIDTH = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 160
console = Console(width=_WIDTH)


def progress_bar() -> Progress:
    """Returns the bar of this project: what, how far, and the time left."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        TaskProgressColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[logs]}", style="dim"),
        console=console,
        speed_estimate_period=3600,  # One part of the work may take minutes.
    )


def finish_part(bar: Progress, task: TaskID, what: str) -> None:
    """Counts a part of a task, and takes its bars away.

    Where there is no terminal, a line says so.

    Args:
        bar: From `progress_bar`.
        task: Its total is the number of parts.
        what: The part.
    """
    bar.advance(task)
    for other in bar.task_ids:
        if other != task:
            bar.remove_task(other)
    if bar.console.is_terminal:
        return
    (whole,) = bar.tasks
    left = whole.time_remaining
    about = "" if not left else f", about {datetime.timedelta(seconds=left)} left"
    bar.console.print(
        f"{whole.completed:.0f} of {whole.total:.0f} done: {what}{about}",
        soft_wrap=True,
    )


class FitProgress(keras.callbacks.Callback):
    """Shows the training of a model as one task of a progress bar.

    Args:
        bar: From `progress_bar`, started by the caller.
        description: What is being trained.
    """

    def __init__(self, bar: Progress, description: str) -> None:
        """Keeps the bar."""
        super().__init__()
        self.bar = bar
        self.description = description
        self._before = 0

    def __deepcopy__(self, memo: dict[int, Any]) -> "FitProgress":
        """Copies all but the bar, which has locks: KerasTuner copies callbacks."""
        return FitProgress(self.bar, self.description)

    def on_train_begin(self, logs: Any = None) -> None:
        """Adds the task."""
        self._task = self.bar.add_task(self.description, total=None, logs="")

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Moves to the epoch, which is not the first if the run was resumed."""
        if steps := self.params["steps"]:
            self._before = steps * epoch
            total = steps * self.params["epochs"]
            self.bar.update(self._task, total=total, completed=self._before)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Moves on, by several batches if the model trains on several at a time."""
        self.bar.update(self._task, completed=self._before + batch + 1)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Shows the mean accuracy of the members."""
        accuracy = (logs or {}).get("val_accuracy")
        if accuracy is not None:
            text = f"epoch {epoch + 1}, accuracy {100 * float(accuracy):.0f} %"
            self.bar.update(self._task, logs=text)
