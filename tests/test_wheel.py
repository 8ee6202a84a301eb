"""The wheel as a user gets it: one package, typed, that works where nothing else is."""

import os
import pathlib
import re
import subprocess
import sys
import venv
import zipfile

import pytest

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
        + ["--wheel-dir", str(folder), str(ROOT)],
        capture_output=True,
        text=True,
    )
    assert build.returncode == 0, build.stderr
    (path,) = folder.glob("*.whl")
    return path


def test_it_holds_the_package_alone(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"keras_inits"}
    assert "keras_inits/py.typed" in names
    sources = {str(p.relative_to(ROOT)) for p in (ROOT / "keras_inits").rglob("*.py")}
    assert sources == {name for name in names if name.endswith(".py")}


def first_example():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.search(r"```python\n(.*?)```", readme, re.DOTALL).group(1)


def test_the_first_example_of_the_readme_runs_in_an_empty_environment(wheel, tmp_path):
    """Nothing is there that the wheel does not ask for."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    install = subprocess.run(
        [python, "-m", "pip", "install", "--no-compile", f"{wheel}[tensorflow]"],
        env=environment,
        capture_output=True,
        text=True,
    )
    if "(from versions: none)" in install.stderr:
        pytest.skip("needs a package registry, and none can be reached")
    assert install.returncode == 0, install.stderr
    code = first_example() + "\nimport keras_inits\nprint(keras_inits.__file__)"
    run = subprocess.run(
        [python, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert pathlib.Path(run.stdout.split()[-1]).is_relative_to(tmp_path)


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_the_import_loads_no_backend_that_keras_does_not(backend):
    pytest.importorskip(backend)
    code = """
import sys
import keras
heavy = {"tensorflow", "jax", "torch", "keras_tuner", "matplotlib"}
before = heavy & {*sys.modules}
import keras_inits
print(sorted(heavy & {*sys.modules} - before))
"""
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split("\n")[-2] == "[]"
