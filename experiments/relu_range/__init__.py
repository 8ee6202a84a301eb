"""A question: why do ReLU networks not train from weights of U[-1, 1]?"""

from experiments.experiment import Experiment
from experiments.relu_range import cells, report

EXPERIMENTS = (
    Experiment(
        "relu-range",
        "which ranges of weights train at which rates, ReLU and sigmoid",
        "a question on U[-1, 1], and its answer",
        report.report,
        {
            "smoke": cells.cells(
                "digits", [1, 3], seeds=2, measured=2, samples=500, epochs=10
            ),
            "desk": [
                *cells.cells("digits", range(1, 11), measured=5, epochs=20),
                *cells.cells(
                    "mnist", (1, 2, 5, 10), measured=5, samples=4000, epochs=8
                ),
            ],
            "paper": [
                *cells.cells("digits", range(1, 11), epochs=100),
                *cells.cells("mnist", range(1, 11), samples=20000),
            ],
        },
    ),
)
