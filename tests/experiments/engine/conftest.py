"""A ledger that is empty."""

import pytest

from experiments.engine.ledger import Ledger


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results" / "ledger.sqlite"


@pytest.fixture
def ledger(path):
    return Ledger(path)
