"""Texts as arrays of words: the Penn Treebank, and what is drawn."""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.engine.folders import folder_with

NAMES = {
    "ptb": "text files in the folder that --data-dir names, or in its folder ptb",
    "markov": "embedded",
    "uniform": "embedded",
}
"""Texts, and how they come here."""

PARTS = ("train", "valid", "test")

PTB_WORDS = {"train": 929_589, "valid": 73_760, "test": 82_430}
VOCABULARY = 10_000
"""Words of the Penn Treebank, ends of lines counted, and different ones."""

_SOURCE = "http://www.fit.vutbr.cz/~imikolov/rnnlm/simple-examples.tgz"
_END = "<eos>"
_CHAIN_WORDS, _CHAIN_LENGTH, _CHAIN_SHARPNESS = 20, 10_000, 2.0


@dataclass(frozen=True, eq=False)
class Corpus:
    """A text in three parts.

    Args:
        name: The name that `load` took.
        parts: By `PARTS`, the words in order: a read-only `int32` array of numbers from
            0.
        words: Size of the vocabulary.
        perplexity: The lowest that any model can have on average, where it is known.
    """

    name: str
    parts: dict[str, np.ndarray]
    words: int
    perplexity: float | None = None


@functools.cache
def load(name: str, data_dir: str | None = None) -> Corpus:
    """Loads a text; downloads nothing.

    `ptb` is the Penn Treebank in Mikolov's form: `ptb.train.txt`, `ptb.valid.txt` and
    `ptb.test.txt`, words separated by spaces, of which each line ends with one more,
    `<eos>`. `markov` is drawn, and needs no files: a chain of 20 words, whose own
    perplexity is known. `uniform` has words of the Penn Treebank's
    vocabulary, each as likely as any other: for what does not depend on the text.

    Args:
        name: One of `NAMES`.
        data_dir: Folder of the files, or of a folder `ptb` with them. Defaults to the
            environment's `TFDS_DATA_DIR`, else `~/tensorflow_datasets`.

    Raises:
        ValueError: If `name` is unknown, or a part has words that `train` has not.
        FileNotFoundError: If a file is not there; says how to get it.

    Examples:
        >>> chain = load("markov")
        >>> chain.words, len(chain.parts["train"]), round(chain.perplexity, 2)
        (20, 10000, 6.55)
    """
    if name not in NAMES:
        raise ValueError(
            f"`name` must be one of {', '.join(NAMES)}. Received: name={name!r}"
        )
    if name == "ptb":
        return _penn_treebank(data_dir)
    return _markov() if name == "markov" else _uniform()


def _penn_treebank(data_dir: str | None) -> Corpus:
    files = {part: f"ptb.{part}.txt" for part in PARTS}
    folder, root = folder_with(files.values(), "ptb", data_dir)
    if folder is None:
        raise FileNotFoundError(
            f"The Penn Treebank is neither in {root} nor in {root / 'ptb'}: "
            f"{', '.join(files.values())} must be there, all three. They are in the "
            f"folder `data` of {_SOURCE}; name the folder that has them with "
            "--data-dir."
        )
    texts = {
        part: (folder / file).read_text("utf-8").replace("\n", f" {_END} ").split()
        for part, file in files.items()
    }
    # The commonest first; of words as common as each other the one that comes first.
    words, first, counts = np.unique(
        texts["train"], return_index=True, return_counts=True
    )
    order = np.lexsort((first, -counts))
    number = {word: index for index, word in enumerate(words[order].tolist())}
    for part, text in texts.items():
        unknown = sorted(set(text) - number.keys())
        if unknown:
            raise ValueError(
                f"`{files[part]}` must have the words of {files['train']} alone. "
                f"Received: {', '.join(unknown[:5])}"
            )
    known = {part: len(text) for part, text in texts.items()}
    if known != PTB_WORDS or len(number) != VOCABULARY:
        expected = ", ".join(f"{files[p]} {n:,}" for p, n in PTB_WORDS.items())
        received = ", ".join(f"{files[p]} {n:,}" for p, n in known.items())
        raise ValueError(
            f"The Penn Treebank in Mikolov's form has a vocabulary of "
            f"{VOCABULARY:,}, and so many words, ends of lines counted: "
            f"{expected}. Received in {folder}: {len(number):,}; {received}"
        )
    return _corpus("ptb", {p: [number[w] for w in t] for p, t in texts.items()})


def _uniform() -> Corpus:
    random = np.random.default_rng(0)
    words = {part: random.integers(0, VOCABULARY, 10_000) for part in PARTS}
    return _corpus("uniform", words, VOCABULARY, float(VOCABULARY))


def _markov() -> Corpus:
    random = np.random.default_rng(0)
    logits = _CHAIN_SHARPNESS * random.normal(size=(_CHAIN_WORDS, _CHAIN_WORDS))
    following = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    parts = {}
    for part in PARTS:
        word, words = 0, []
        for _ in range(_CHAIN_LENGTH):
            word = int(random.choice(_CHAIN_WORDS, p=following[word]))
            words.append(word)
        parts[part] = words
    often = np.linalg.matrix_power(following, 1000)[0]
    entropy = -np.sum(often[:, None] * following * np.log(following))
    return _corpus("markov", parts, _CHAIN_WORDS, math.exp(entropy))


def _corpus(
    name: str,
    parts: Mapping[str, Sequence[int] | np.ndarray],
    words: int | None = None,
    perplexity: float | None = None,
) -> Corpus:
    arrays = {part: np.array(numbers, "int32") for part, numbers in parts.items()}
    for array in arrays.values():
        array.setflags(write=False)
    return Corpus(name, arrays, words or int(arrays["train"].max()) + 1, perplexity)
