"""Sansone & De Natale (2017): a language model of the Penn Treebank (section 6.5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from experiments.engine import corpora, trainer
from experiments.engine.ledger import Ledger
from experiments.sansone2017 import recurrent
from experiments.sansone2017.methods import METHODS

ITERATIONS = 500_000
"""Those of the paper."""

BATCH, STEPS = 20, 20
"""Texts side by side, and words after which the gradient is cut off: the paper has none
of the two; they are those of Zaremba et al.'s small model."""

CLIPNORM = 0.25
"""Norm to which gradients are clipped: the 5 of Zaremba et al., whose loss is the sum
of 20 steps where Keras' is their mean. The paper says that it clips, and not at what.
"""

PARTS = 4
"""Epochs of a pass through the text."""

_WORDS = {"ptb": 929_589, "markov": 10_000, "uniform": 10_000}
"""Of the train part."""

MEASURED_ON = 50
"""Sequences that a method may measure on."""


def side_by_side(words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cuts a text into the parts of a batch, of one length, and these into steps.

    A batch goes on where the one before it ends. What does not fill a batch is left
    out.

    Args:
        words: The text.

    Returns:
        Inputs and the words that follow them, `(batches * BATCH, STEPS)` each.

    Raises:
        ValueError: If the text does not fill a batch.
    """
    batches = (len(words) - 1) // (BATCH * STEPS)
    if batches < 1:
        raise ValueError(
            f"A text must have more than {BATCH * STEPS} words. Received: {len(words)}"
        )
    used = batches * BATCH * STEPS

    def cut(text: np.ndarray) -> np.ndarray:
        parts = text.reshape(BATCH, batches, STEPS)
        return parts.transpose(1, 0, 2).reshape(-1, STEPS)

    return cut(words[:used]), cut(words[1 : used + 1])


@dataclass(frozen=True)
class Cell:
    """Networks of one architecture, each trained by itself.

    An epoch of the ledger is a quarter of a pass through the text. The softmax over
    all words is nearly all of the work, and has weights of its own in every network: a
    population would save nothing.

    Args:
        kind: `"logistic"`, by all methods, or `"lstm"`, which has one.
        units: Units of the recurrent layer.
        iterations: Steps of Adam, as many whole epochs as they make.
        dropout: Part that is dropped of what is not on its way to the next step.
        methods: Those to compare, of a logistic network.
        seeds: Number of seeds.
        dataset: Name for `experiments.engine.corpora.load`.
    """

    kind: str
    units: int
    iterations: int = ITERATIONS
    dropout: float = 0.0
    methods: tuple[str, ...] = METHODS
    seeds: int = 4
    dataset: str = "ptb"

    def __post_init__(self) -> None:
        """Checks the methods; LSTM has one way to start."""
        methods = recurrent.methods_of(self.kind, self.methods)
        object.__setattr__(self, "methods", methods)

    @property
    def name(self) -> str:
        """What it is, in a few words."""
        dropped = f", dropout {self.dropout:g}" if self.dropout else ""
        return f"{self.dataset}, {self.kind}, {self.units} units{dropped}"

    @property
    def iterations_per_epoch(self) -> int:
        """Batches of a part of a pass through the text."""
        return (_WORDS[self.dataset] - 1) // (BATCH * STEPS * PARTS)

    @property
    def rows_per_run(self) -> int:
        """Epochs that the ledger has of a run that is finished."""
        return max(1, round(self.iterations / self.iterations_per_epoch))

    def describe(self) -> list[dict[str, Any]]:
        """Returns the description of every network."""
        return [
            {
                "experiment": "sansone-ptb",
                "dataset": self.dataset,
                "kind": self.kind,
                "units": self.units,
                "dropout": self.dropout,
                "batch_size": BATCH,
                "steps": STEPS,
                "clipnorm": CLIPNORM,
                "method": method,
                "epochs": self.rows_per_run,
                "seed": seed,
                "engine": "fit",
            }
            for seed in range(self.seeds)
            for method in self.methods
        ]

    def train(
        self,
        missing: Sequence[Mapping[str, Any]],
        ledger: Ledger,
        data_dir: str | None = None,
        progress: keras.callbacks.Callback | None = None,
    ) -> None:
        """Trains what the ledger does not have yet, one network at a time.

        Args:
            missing: Descriptions.
            ledger: Gets the loss in training, validation and test: the logarithm of
                the perplexity.
            data_dir: Folder of the text.
            progress: Shows how far the training is.
        """
        corpus = corpora.load(self.dataset, data_dir)
        data = {part: side_by_side(words) for part, words in corpus.parts.items()}
        for run in missing:
            keras.backend.clear_session()
            text = Text(*data["train"])
            trainer.fit(
                self.build(run["method"], run["seed"], corpus.words, text.x),
                [run],
                ledger,
                text,
                shuffle=False,
                validation_data=data["valid"],
                validation_batch_size=BATCH,
                epochs=self.rows_per_run,
                callbacks=[States(text), Testing(*data["test"])],
                progress=progress,
            )

    def build(
        self, method: str, seed: int, words: int, x: np.ndarray
    ) -> keras.Sequential:
        """Builds a compiled network that starts as a method has it.

        Args:
            method: One of `methods`.
            seed: Of its weights, and of what is dropped.
            words: Size of the vocabulary.
            x: Sequences to measure on.
        """
        keras.utils.set_random_seed(seed)
        shape = (words, self.units, self.kind, self.dropout)
        model = recurrent.network(*shape, batch=(BATCH, STEPS))
        # What is measured is measured without states of the batch before.
        started = recurrent.network(*shape)
        recurrent.initialize(started, method, x[:MEASURED_ON], seed)
        model.set_weights(started.get_weights())
        model.compile(
            keras.optimizers.Adam(0.0001, global_clipnorm=CLIPNORM),
            "sparse_categorical_crossentropy",
        )
        return model


class Text(keras.utils.PyDataset):
    """A text to train on: an epoch is one of the parts of a pass.

    Args:
        x: Inputs, from `side_by_side`.
        y: Targets.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        """Is at the beginning."""
        super().__init__()
        self.x, self.y = x, y
        self.part = 0

    def __len__(self) -> int:
        """Returns the batches of a part."""
        return len(self.x) // (BATCH * PARTS)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns a batch of the part."""
        start = (self.part * len(self) + index) * BATCH
        return self.x[start : start + BATCH], self.y[start : start + BATCH]


class States(keras.callbacks.Callback):
    """Lets states go on through a text, and not from one to another.

    They are forgotten where a pass begins, and where a text is evaluated; after that
    they are what they were.

    Args:
        text: What is trained on, which learns where it is. Defaults to nothing.
    """

    def __init__(self, text: Text | None = None) -> None:
        """Has kept no states yet."""
        super().__init__()
        self.text = text
        self._kept: list[Any] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Forgets the end of the text."""
        assert self.text is not None
        self.text.part = epoch % PARTS
        if self.text.part == 0:
            self._reset()

    def on_test_begin(self, logs: Any = None) -> None:
        """Puts states aside."""
        self._kept = [keras.ops.copy(state) for state in self._states()]
        self._reset()

    def on_test_end(self, logs: Any = None) -> None:
        """Takes them up again."""
        for state, kept in zip(self._states(), self._kept, strict=True):
            state.assign(kept)

    def _layers(self) -> list[Any]:
        return [each for each in self.model.layers if getattr(each, "stateful", False)]

    def _states(self) -> list[Any]:
        return [state for layer in self._layers() for state in layer.states]

    def _reset(self) -> None:
        for layer in self._layers():
            layer.reset_state()


class Testing(keras.callbacks.Callback):
    """Logs how a model does on test data.

    Args:
        x: Inputs.
        y: Targets.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        """Keeps the data."""
        super().__init__()
        self._data = x, y

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds `test_loss`."""
        loss = self.model.evaluate(*self._data, BATCH, verbose=0, callbacks=[States()])
        if logs is not None:
            logs["test_loss"] = loss
