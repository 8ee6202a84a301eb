"""Tests of texts: the Penn Treebank in Mikolov's form, and a drawn chain."""

import numpy as np
import pytest

from experiments.engine import corpora


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """The size of what is written here, in place of the Penn Treebank's."""
    size = {"train": 7, "valid": 2, "test": 3}
    monkeypatch.setattr(corpora, "PTB_WORDS", size)
    monkeypatch.setattr(corpora, "VOCABULARY", 4)


def write(folder, train="a b a\nc a\n", valid="b\n", test="a c\n"):
    folder.mkdir(parents=True, exist_ok=True)
    for part, text in (("train", train), ("valid", valid), ("test", test)):
        (folder / f"ptb.{part}.txt").write_text(text)
    return str(folder)


def test_lines_end_with_a_word_of_their_own(tmp_path):
    corpus = corpora.load("ptb", write(tmp_path))
    # a 3 times, <eos> twice, then b and c as they come.
    assert corpus.parts["train"].tolist() == [0, 2, 0, 1, 3, 0, 1]
    assert corpus.parts["valid"].tolist() == [2, 1]
    assert corpus.parts["test"].tolist() == [0, 3, 1]
    assert corpus.words == 4 and corpus.perplexity is None


def test_the_files_may_be_in_a_folder_of_their_own(tmp_path, monkeypatch):
    write(tmp_path / "ptb")
    assert corpora.load("ptb", str(tmp_path)).words == 4
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    corpora.load.cache_clear()
    assert corpora.load("ptb").words == 4
    corpora.load.cache_clear()


def test_what_is_missing_is_said_with_where_to_get_it(tmp_path):
    write(tmp_path)
    (tmp_path / "ptb.valid.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"ptb\.valid\.txt.*simple-examples"):
        corpora.load("ptb", str(tmp_path))
    with pytest.raises(ValueError, match="name='text8'"):
        corpora.load("text8")
    folder = write(tmp_path / "other", test="a zebra\n")
    with pytest.raises(ValueError, match="zebra"):
        corpora.load("ptb", folder)


def test_a_text_of_another_size_is_not_the_penn_treebank(tmp_path):
    folder = write(tmp_path, test="a c b\n")
    match = r"ptb\.test\.txt 3\. Received in .*: 4; .*ptb\.test\.txt 4"
    with pytest.raises(ValueError, match=match):
        corpora.load("ptb", folder)
    folder = write(tmp_path / "words", train="a b a\nd c\n", test="a c\n")
    with pytest.raises(ValueError, match="vocabulary of 4.*: 5;"):
        corpora.load("ptb", folder)


def test_words_that_are_drawn_are_all_as_likely():
    corpus = corpora.load("uniform")
    words = np.concatenate(list(corpus.parts.values()))
    assert corpus.words == 4
    # Of 30,000 words each is a quarter.
    assert np.bincount(words) / len(words) == pytest.approx(0.25, abs=0.02)


def test_the_perplexity_of_the_chain_is_that_of_its_next_words():
    corpus = corpora.load("markov")
    words = corpus.parts["train"]
    counts = np.zeros((corpus.words, corpus.words))
    for part in corpora.PARTS:
        pairs = corpus.parts[part]
        np.add.at(counts, (pairs[:-1], pairs[1:]), 1)
    following = counts / counts.sum(axis=1, keepdims=True)
    logs = np.log(following[words[:-1], words[1:]])
    assert np.exp(-logs.mean()) == pytest.approx(corpus.perplexity, rel=0.03)
    assert not words.flags.writeable
