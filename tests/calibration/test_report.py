import json

import pytest

from keras_inits.calibration.report import CalibrationReport, LayerRow

REPORT = CalibrationReport(
    "lsuv",
    (
        LayerRow("dense", {"weight sd": 0.5, "norm": 1e9}, {"weight sd": 2, "norm": 1}),
        LayerRow("a_long_name", {"norm": 0.125}, {"norm": -3.0}),
    ),
    missed={"dense": "it is stiff"},
    skipped={"gru": "it is recurrent"},
    note="reconstructed",
)


def test_the_table_is_aligned():
    assert str(REPORT).splitlines() == [
        "lsuv (reconstructed)",
        "layer        quantity   before  after",
        "dense        weight sd     0.5      2",
        "dense        norm         1e+9      1",
        "a_long_name  norm        0.125     -3",
        "missed: dense: it is stiff",
        "not treated: gru: it is recurrent",
    ]


def test_it_is_plain_data():
    data = json.loads(json.dumps(REPORT.to_dict()))
    assert data["rows"][1] == {
        "name": "a_long_name",
        "before": {"norm": 0.125},
        "after": {"norm": -3.0},
    }
    assert data["missed"] == {"dense": "it is stiff"}
    assert data["skipped"] == {"gru": "it is recurrent"}
    assert (data["method"], data["note"]) == ("lsuv", "reconstructed")


def test_it_is_frozen():
    with pytest.raises(AttributeError):
        REPORT.method = "rai"
