"""One seed, `--seed`, decides all that tests and examples draw at random.

It sets Python's, NumPy's and Keras' generators before a file is imported, before each
fixture is made and before each test runs: what these draw depends on the seed and on
their own names, not on which other tests run, nor in which order.
"""

import gc
import zlib

import hypothesis
import keras
import pytest

# Whole, before pytest imports one file of it: a function that is called as its file
# would be hidden by the file.
import keras_inits  # noqa: F401


def pytest_addoption(parser):
    parser.addoption(
        "--seed", type=int, default=0, help="seed of all that tests draw at random"
    )


def pytest_report_header(config):
    return f"seed: {config.getoption('seed')}"


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    """Under another seed than 0 Hypothesis draws other examples."""
    if seed := config.getoption("seed"):
        hypothesis.settings.register_profile(
            "seed", hypothesis.settings.get_profile("ci"), derandomize=False
        )
        config.option.hypothesis_profile = "seed"
        config.option.hypothesis_seed = seed


def set_seed(config, name):
    seed = zlib.crc32(f"{config.getoption('seed')} {name}".encode())
    keras.utils.set_random_seed(seed)


@pytest.hookimpl(tryfirst=True)
def pytest_make_collect_report(collector):
    set_seed(collector.config, collector.nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef, request):
    set_seed(request.config, f"{request.node.nodeid} {fixturedef.argname}")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item):
    set_seed(item.config, item.nodeid)


@pytest.fixture(scope="module", autouse=True)
def _others_are_not_collected():
    """Spares every collection of garbage what imports and other files have made.

    Keras and KerasTuner collect it with every model that they build or forget.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
