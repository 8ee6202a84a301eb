"""Which channels of a network of ReLU layers are dead, or nearly so, on some images."""

import keras
import numpy as np

NEAR_DEAD = 0.01
"""Part of what a channel sees below which one that is active on it is near dead."""

LOOKED_AT = 256
"""Images of the test part on which channels are looked at."""

_BATCH = 128


class Channels:
    """What the channels of the ReLU layers of a network do on some images.

    A channel is active on an image where its output is above 0 at any place; dead if it
    is active on none, and near dead on less than 1 %. It sees a patch of the image, or
    of the layer before, at every place, so that many patches make a channel count as
    active by one of them: stricter is what is active at less than 1 % of the places of
    all images. Normalization is by the images that are looked at, a batch at a time, as
    in training, so that a network can be looked at before it has been trained; it
    learns nothing of them.

    Args:
        model: From `networks.residual`.
        x: Images.
    """

    def __init__(self, model: keras.Model, x: np.ndarray) -> None:
        """Prepares the network that has all outputs."""
        outputs = []
        for layer in model.layers:
            if isinstance(layer, keras.layers.ReLU):
                active = keras.ops.cast(layer.output > 0, "float32")
                # What is not finite stays so: it is no zero.
                lost = layer.output - layer.output
                outputs.append(keras.ops.mean(active + lost, axis=(1, 2)))
        self._network = keras.Model(model.inputs[0], outputs)
        self._x = x

    def look(self) -> list[dict[str, float]]:
        """Returns of each layer parts of its channels, and how active they are.

        `dead`; `near_dead`, with those that are dead; `rare`, active at less than 1 %
        of all places; and `active`, the mean part of all places where channels are. All
        are NaN of a layer whose outputs are not finite.
        """
        learned = self._network.non_trainable_variables
        before = [keras.ops.convert_to_numpy(variable) for variable in learned]
        batches = [
            keras.tree.flatten(self._network(self._x[at : at + _BATCH], training=True))
            for at in range(0, len(self._x), _BATCH)
        ]
        for variable, value in zip(learned, before, strict=True):
            variable.assign(value)
        layers = []
        for parts in zip(*batches, strict=True):
            places = np.concatenate([keras.ops.convert_to_numpy(p) for p in parts])
            images, active = (places > 0).mean(axis=0), places.mean(axis=0)
            values = {
                "dead": images == 0,
                "near_dead": images < NEAR_DEAD,
                "rare": active < NEAR_DEAD,
                "active": active,
            }
            finite = np.isfinite(places).all()
            layers.append(
                {n: float(of.mean()) if finite else np.nan for n, of in values.items()}
            )
        return layers
