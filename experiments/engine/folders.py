"""Where data that no package fetches are: in a folder that the user names."""

import os
from collections.abc import Iterable
from pathlib import Path


def folder_with(
    files: Iterable[str], within: str, data_dir: str | None
) -> tuple[Path | None, Path]:
    """Looks for files in a folder, or in one folder within it.

    Args:
        files: Their names.
        within: Name of the folder within.
        data_dir: The folder. Defaults to the environment's `TFDS_DATA_DIR`, else
            `~/tensorflow_datasets`.

    Returns:
        The folder that has all of them, or `None`, and the one that was named.
    """
    root = Path(
        data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    ).expanduser()
    names = list(files)
    for folder in (root, root / within):
        if all((folder / name).is_file() for name in names):
            return folder, root
    return None, root
