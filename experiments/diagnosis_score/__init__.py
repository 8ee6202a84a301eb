"""How often `keras_inits.diagnose` is right."""

from experiments.diagnosis_score import cells, report
from experiments.experiment import Experiment

EXPERIMENTS = (
    Experiment(
        "diagnose-score",
        "how often diagnose is right: its predictions beside real training",
        "keras_inits.diagnose",
        report.report,
        {
            "smoke": [cell for cell in cells.cells() if cell.task == "circles"],
            "desk": cells.cells(),
        },
        command="score diagnose",
    ),
)
