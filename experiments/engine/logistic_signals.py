"""What passes through a network of logistic layers, forwards and backwards."""

from collections.abc import Sequence

import numpy as np
import scipy.special


def signals(
    weights: Sequence[Sequence[np.ndarray]], x: np.ndarray, y: np.ndarray
) -> list[dict[str, float]]:
    """Measures the hidden layers of a network of logistic units and a softmax.

    Args:
        weights: Kernel and bias of each layer, the last one included.
        x: Samples, `(samples, features)`.
        y: Their classes.

    Returns:
        For each hidden layer, over samples and units: `logit_variance` and
        `output_variance` (of a unit over samples, their mean over units),
        `output_mean`, and `gradient`, the root mean square of the gradients of the
        samples' cross-entropies with respect to the outputs.
    """
    weights = [[np.asarray(w, dtype="float64") for w in layer] for layer in weights]
    outputs = [np.asarray(x, dtype="float64")]
    logits = []
    for kernel, bias in weights:
        logits.append(outputs[-1] @ kernel + bias)
        outputs.append(scipy.special.expit(logits[-1]))
    # Of cross-entropy, with respect to the logits of the softmax.
    delta = scipy.special.softmax(logits[-1], axis=1)
    delta[np.arange(len(y)), y] -= 1
    measured = []
    for index in range(len(weights) - 2, -1, -1):
        gradient = delta @ weights[index + 1][0].T
        y_of_layer = outputs[index + 1]
        measured.append(
            {
                "logit_variance": float(logits[index].var(axis=0).mean()),
                "output_variance": float(y_of_layer.var(axis=0).mean()),
                "output_mean": float(y_of_layer.mean()),
                "gradient": float(np.sqrt(np.mean(gradient**2))),
            }
        )
        delta = gradient * y_of_layer * (1 - y_of_layer)
    return measured[::-1]
