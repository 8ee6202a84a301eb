"""What made a result: versions of packages, and the commit of a checkout."""

import functools
import importlib
import json
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

import keras_inits


@functools.cache
def versions() -> str:
    """Returns the versions of what runs here, as JSON."""
    backend = keras.config.backend()
    return json.dumps(
        {
            "keras_inits": keras_inits.__version__,
            "commit": commit(),
            "keras": keras.__version__,
            "backend": backend,
            backend: importlib.import_module(backend).__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
        }
    )


def commit() -> str | None:
    """Returns the git commit of a checkout, with `-dirty` if files differ from it."""
    # `.git` is named because git would look for one further up, which is another's.
    git = "git --git-dir=.git --no-optional-locks"
    describe = "describe --always --dirty --abbrev=40 --exclude=*"
    try:
        done = subprocess.run(
            f"{git} {describe}".split(),
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def sentence(versions: Mapping[str, Any]) -> str:
    """Returns versions in words.

    Examples:
        >>> sentence({"keras": "3.15.0", "python": "3.12.1"})
        'keras 3.15.0, python 3.12.1'
    """
    return ", ".join(f"{name} {version}" for name, version in versions.items())
