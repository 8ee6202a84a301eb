"""Lee et al. (2024): the methods that it compares, and how it trains."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import keras

from experiments.engine import networks
from experiments.engine.datasets import Scaling
from keras_inits import GSM, RAI, LeeQR, RectangularIdentity, ZerO
from keras_inits.utils.validation import unknown

METHODS = ("proposed", "orthogonal", "xavier", "he", "zero", "identity", "rai", "gsm")
"""The columns of the paper's tables, in its order."""

# What of a protocol initial weights alone depend on, and those of which methods.
_OF_METHODS = {
    "draws": ("orthogonal", "xavier", "he", "rai", "gsm"),
    "epsilon": ("proposed",),
    "signs": ("proposed",),
    "xavier": ("xavier",),
    "he": ("he",),
    "zero_scale": ("zero",),
    "zero_transpose": ("zero",),
    "gsm": ("gsm",),
}


@dataclass(frozen=True)
class Protocol:
    """How the paper's networks are trained, with what it leaves open made explicit.

    The paper states Adam at 0.001, batches of 100, 15 % held out at random, epsilon
    0.1 and cross-entropy (section 4.1). It does not state the rest. The defaults are
    what `search lee-protocol` found nearest to half of Table 1 with three seeds; with
    five they are third, by a hundredth of an interval, behind one draw for all layers
    and a normal He, which the numbers leave open.

    Args:
        scaling: Scale of the inputs.
        output: Initializer of the last layer: `"same"` for that of the method,
            `"glorot_uniform"`, which is Keras' default, for all methods, or
            `"same_if_only"` for that of the method where there is no hidden layer,
            and Keras' default elsewhere.
        draws: `"independent"` for a draw for each layer, or `"one"` for the same draw
            in all layers of a shape, as one initializer without a seed that serves
            all layers makes it since Keras 2.10.
        epsilon: Of the proposed method.
        signs: Sign convention of its QR decomposition; the matrices that the paper
            prints have `"householder"`.
        xavier: Which of Keras' Glorot initializers is "Xavier".
        he: Which of Keras' He initializers is "He".
        zero_scale: Factor of the Hadamard blocks of ZerO.
        zero_transpose: Whether ZerO is applied to the kernel in Keras' shape
            `(in, out)`, as if it were the paper's `(out, in)`.
        gsm: Whether the first and the last layer have the forms that GSM gives them,
            `"positions"`, or all layers that of the middle ones, `"middle"`; or that
            too, with a submatrix from the initializer of `he`, `"he_submatrix"`: twice
            the variance, as the submatrix has half of the inputs. A single layer has
            no pairs: it is that initializer's, but for `"middle"`.
        learning_rate: Of Adam.
        batch_size: Samples in a batch.
        drop_remainder: Whether the last, smaller batch of an epoch is left out.
        held_out: Part of the pooled samples to validate on.
    """

    scaling: Scaling = "raw"
    output: Literal["same", "glorot_uniform", "same_if_only"] = "same"
    draws: Literal["independent", "one"] = "independent"
    epsilon: float = 0.1
    signs: Literal["householder", "gram_schmidt"] = "householder"
    xavier: str = "glorot_uniform"
    he: str = "he_uniform"
    zero_scale: Literal["paper", "notebook"] = "paper"
    zero_transpose: bool = True
    gsm: Literal["positions", "middle", "he_submatrix"] = "he_submatrix"
    learning_rate: float = 0.001
    batch_size: int = 100
    drop_remainder: bool = False
    held_out: float = 0.15

    def of(self, method: str, depth: int) -> dict[str, Any]:
        """Returns the fields on which the training of a method depends.

        Args:
            method: One of `METHODS`.
            depth: Number of hidden layers.

        Examples:
            >>> protocol = Protocol()
            >>> sorted(set(protocol.of("he", 1)) - set(protocol.of("identity", 1)))
            ['draws', 'he']
        """
        unused = {name for name, of in _OF_METHODS.items() if method not in of}
        if method == "gsm" and self.gsm == "he_submatrix":
            unused.remove("he")
        if depth == 0:
            unused.add("draws")
            if not self._method_has_the_last(depth):
                unused.update(_OF_METHODS)
        last = "same" if self._method_has_the_last(depth) else "glorot_uniform"
        fields = vars(self) | {"output": last}
        if depth == 0 and self.gsm == "he_submatrix":
            fields["gsm"] = "he"  # There are no pairs.
        return {name: fields[name] for name in fields if name not in unused}

    def build(
        self,
        method: str,
        features: int,
        classes: int,
        hidden: Sequence[int],
        activation: str,
    ) -> keras.Sequential:
        """Builds a network that starts as a method has it.

        Raises:
            ValueError: If there is no such method.
        """
        check_methods([method])
        initializers = self._initializers(method, len(hidden) + 1)
        if not self._method_has_the_last(len(hidden)):
            initializers[-1] = keras.initializers.GlorotUniform()
        model = networks.feedforward(
            features, classes, hidden, initializers, activation
        )
        for layer in model.layers:
            if isinstance(layer.kernel_initializer, RAI):
                # It draws kernel and bias together; the kernel is there already.
                shape = layer.kernel.shape
                layer.bias.assign(layer.kernel_initializer.draw_jointly(shape)[1])
        return model

    def _method_has_the_last(self, depth: int) -> bool:
        return self.output == "same" or (self.output == "same_if_only" and depth == 0)

    def _initializers(self, method: str, layers: int) -> list[keras.Initializer]:
        """Returns an initializer for each layer, the last one included."""
        initializer: Callable[[], keras.Initializer] = {
            "proposed": functools.partial(LeeQR, self.epsilon, self.signs),
            "orthogonal": keras.initializers.Orthogonal,
            "xavier": functools.partial(keras.initializers.get, self.xavier),
            "he": functools.partial(keras.initializers.get, self.he),
            "zero": functools.partial(ZerO, self.zero_scale, self.zero_transpose),
            "identity": RectangularIdentity,
            "rai": RAI,
            "gsm": GSM,
        }[method]
        if method == "gsm" and self.gsm == "he_submatrix":
            he = functools.partial(keras.initializers.get, self.he)
            paired = functools.partial(GSM, submatrix=he())
            initializer = paired if layers > 1 else he
        kernels = [initializer] * layers
        if method == "gsm" and self.gsm == "positions":
            ends = (functools.partial(GSM, p) for p in ("first", "last"))
            kernels[0], kernels[-1] = ends
            if layers == 1:  # There are no pairs: its submatrix is left.
                kernels = [keras.initializers.HeNormal]
        if self.draws == "one":  # An object keeps the seed that it was made with.
            made = {of: of() for of in dict.fromkeys(kernels)}
            return [made[of] for of in kernels]
        return [of() for of in kernels]


def check_methods(methods: Sequence[str]) -> None:
    """Raises a `ValueError` for a method that is unknown."""
    for method in methods:
        if method not in METHODS:
            raise unknown("method", method, METHODS)
