"""What is shown of long work."""

import io
import re
import time

import pytest
from rich.console import Console

from experiments.engine import progress


@pytest.mark.parametrize("terminal", [True, False])
def test_parts_are_counted_with_the_time_left(terminal, monkeypatch):
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=100)
    monkeypatch.setattr(progress, "console", console)
    with progress.progress_bar() as bar:
        whole = bar.add_task("all", total=1000, logs="")
        for part in ("first", "second", "third"):
            bar.add_task(part, total=1, logs="")
            time.sleep(0.05)
            progress.finish_part(bar, whole, part)
        assert [task.description for task in bar.tasks] == ["all"]
        lines = text.getvalue().splitlines()
    if terminal:
        assert "1 of 1000" not in text.getvalue()
        return
    assert lines[0] == "1 of 1000 done: first"
    assert re.fullmatch(r"3 of 1000 done: third, about \d+:\d\d:\d\d left", lines[2])
