"""The loss as a function of the weights, and products with its derivatives."""

import copy
import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from keras_inits.diagnostics.curvature.autodiff import check_backend, compiled, jvp, vjp
from keras_inits.diagnostics.curvature.logits import Last, last_layers, last_logits
from keras_inits.diagnostics.curvature.training_loss import (
    check_loss,
    check_reduction,
    check_targets,
    loss_model,
    overrides_loss,
)
from keras_inits.inspection.batches import (
    batches,
    check_inputs,
    evaluate,
    first_line,
    map_arrays,
    take,
    unpacked,
)
from keras_inits.inspection.layers import check_model, variables_of


class Objective:
    """The loss of a network on given data, as a function of its trainable weights.

    It is what training minimises: the mean of the loss over all samples, and once the
    penalties on weights. The network is evaluated as in inference. All weights
    together are one vector, in the order of `model.trainable_variables`. A product
    with a second derivative is exact, costs a few gradients and needs no matrix; it is
    compiled at its first use, and all that is given the same objective shares it, also
    when the weights have changed since.

    Examples:
    >>> import keras
    >>> import numpy as np
    >>> from keras_inits import diagnostics
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile(loss="mse")
    >>> x, y = np.array([[1.0, 2.0], [3.0, 0.0]]), np.array([[0.0], [1.0]])
    >>> objective = diagnostics.Objective(model, x, y)
    >>> direction = np.array([1.0, 0.0, 0.0])
    >>> print(objective.hessian_product(direction))
    [10.  2.  4.]

    Args:
        model: A built model.
        x: Inputs, an array `(samples, ...)`, or a list or dictionary of arrays.
        y: Targets, as the loss takes them.
        loss: A loss, by name, as a `keras.losses.Loss` or as a function of `y` and
            outputs, in place of the compiled one. Defaults to `None`.
        batch_size: Samples that are evaluated at a time; results are those of all
            samples. Defaults to `1024`.
        logits: Where `gauss_newton_product` divides the network: before its last
            activation, or, with `False`, after it. Defaults to `True`.

    Raises:
        TypeError: If `model` is not a Keras model.
        ValueError: If the model is not built, has no trainable weights, has no loss,
            or cannot take the data; if the loss is a sum over samples and there is
            more than one batch; or if the backend is PyTorch.
    """

    def __init__(
        self,
        model: keras.Model,
        x: Any,
        y: Any,
        loss: Any = None,
        batch_size: int = 1024,
        logits: bool = True,
    ) -> None:
        """Checks the data by evaluating the loss on two samples."""
        check_backend()
        check_model(model)
        self.model = model
        self.logits = logits
        self.variables = list(model.trainable_variables)
        if not self.variables:
            raise ValueError(
                "The model must have trainable weights. "
                f"Received: model={model.name}, which has none"
            )
        self._loss_model = loss_model(model, loss)
        self.samples = check_inputs(model, x)
        if y is None and not self.compares:
            y = np.zeros(self.samples)  # No loss takes them.
        check_targets(y, self.samples)
        check_reduction(self._loss_model.loss, self.samples, batch_size)
        # The trainable ones are read at every product.
        self._state = [
            (variable, ops.convert_to_tensor(variable))
            for variable in model.non_trainable_variables
        ]
        self.batches = [
            (
                len(tree.flatten(batch[0])[0]),
                *tree.map_structure(ops.convert_to_tensor, batch),
            )
            for batch in batches((x, y), batch_size)
        ]
        self._sample_losses: Any = None
        self._shapes = [tuple(variable.shape) for variable in self.variables]
        sizes = [int(np.prod(shape)) for shape in self._shapes]
        self._ends = np.cumsum(sizes)
        self.size = int(self._ends[-1])
        self._check_loss()

    def with_inputs(self, x: Any) -> "Objective":
        """Returns the objective on other inputs of the same samples.

        What is compiled is shared.

        Args:
            x: Inputs, as many and of the same shapes.
        """
        other = copy.copy(self)
        inputs = batches(x, max(size for size, *_ in self.batches))
        other.batches = [
            (size, tree.map_structure(ops.convert_to_tensor, part), y)
            for (size, _, y), part in zip(self.batches, inputs, strict=True)
        ]
        return other

    @property
    def weights(self) -> np.ndarray:
        """All trainable weights as one vector in float64, as they are now."""
        values = [ops.convert_to_numpy(v).reshape(-1) for v in self.variables]
        return np.concatenate(values).astype("float64")

    def gradient(
        self, weights: np.ndarray | None = None, compile: bool = True
    ) -> tuple[float, np.ndarray]:
        """Returns the loss and its gradient.

        Args:
            weights: Where to take them. Defaults to the weights of the model.
            compile: Whether to compile it, at its first use: a few of them are done
                sooner than that. Defaults to `True`.
        """
        function = self._gradient if compile else self._slopes
        return self._mean(function, self._point(weights))

    def hessian_product(
        self, vector: np.ndarray, weights: np.ndarray | None = None
    ) -> np.ndarray:
        """Returns the product of the Hessian of the loss with a vector.

        Args:
            vector: One entry a weight.
            weights: Where to take it. Defaults to the weights of the model, which it
                takes time to read: `weights` once is better for many products.
        """
        return self._finite_mean(self._hessian_product, vector, weights)

    def gauss_newton_product(
        self, vector: np.ndarray, weights: np.ndarray | None = None
    ) -> np.ndarray:
        """Returns the product of the Gauss-Newton matrix with a vector.

        It is the mean over samples of `J^T H_z J`, with `J` the derivative of `z` by
        the weights, `H_z` the Hessian of the loss by `z`, and `z` the logits of the
        network, or its outputs.

        Args:
            vector: One entry a weight.
            weights: Where to take it. Defaults to the weights of the model.
        """
        return self._finite_mean(self._gauss_newton_product, vector, weights)

    def weight_mask(self, layer: str | keras.Layer | None) -> np.ndarray:
        """Tells which entries of the vector are weights of a layer.

        Args:
            layer: A layer, its name, or that of one of its weights, such as
                `"dense/kernel"`. `None` stands for all layers.

        Raises:
            ValueError: If the name is unknown, several layers have it, or the layer
                has no trainable weight.
        """
        if layer is None:
            return np.ones(self.size, bool)
        chosen = {id(variable) for variable in variables_of(self.model, layer)}
        parts = np.split(np.zeros(self.size, bool), self._ends[:-1])
        for variable, part in zip(self.variables, parts, strict=True):
            part |= id(variable) in chosen
        return np.concatenate(parts)

    @property
    def data(self) -> tuple[Any, Any]:
        """All inputs and all targets, as tensors."""
        parts = [batch[1:] for batch in self.batches]
        joined = tree.map_structure(lambda *arrays: ops.concatenate(arrays), *parts)
        return tuple(joined)

    @property
    def loss(self) -> Any:
        """The loss as it was given, to the model or in its place."""
        return self._loss_model.loss

    @property
    def compares(self) -> bool:
        """Whether outputs have a loss, beside what layers add to it."""
        return self.loss is not None or overrides_loss(self._loss_model)

    def last_logits(self, x: Any) -> tuple[Any, Callable[[Any], Any]]:
        """Returns `z` for a batch of inputs, and the function from `z` to outputs."""
        return last_logits(self.model, self.last_layers, x)

    def output_loss(self, outputs: Any, x: Any, y: Any) -> Any:
        """Returns the loss of a batch as a function of what the network returns."""
        return self._loss_model.compute_loss(
            x=x, y=y, y_pred=outputs, sample_weight=None
        )

    def batch_loss(self, x: Any, y: Any, training: bool = False) -> Any:
        """Returns the loss of a batch, with penalties, of variables as they are.

        Args:
            x: Inputs.
            y: Targets.
            training: Whether to evaluate the network as in training.
        """
        value = self.output_loss(evaluate(self.model, x, training), x, y)
        if self._loss_model is not self.model:
            value += self.penalties()
        return value

    def isolated(self) -> keras.StatelessScope:
        """Returns a block that assigns to no variable.

        Keras counts the losses of several outputs as they are taken.
        """
        pairs = [(variable, variable.value) for variable in self.model.variables]
        return keras.StatelessScope(pairs)

    def penalties(self) -> Any:
        """Returns what weights and layers add to the loss, of variables as they are."""
        return sum(ops.sum(loss) for loss in self.model.losses)

    def sample_losses(self, outputs: Any, x: Any, y: Any) -> Any:
        """Returns the loss of each sample, `(samples,)`, without penalties.

        Args:
            outputs: What the network returns.
            x: Inputs.
            y: Targets.
        """
        batch = map_arrays(ops.convert_to_tensor, [outputs, x, y])
        if self._sample_losses is None:
            self._sample_losses = self._of_samples(batch)
        return self._sample_losses(unpacked(batch)[0])

    @functools.cached_property
    def last_layers(self) -> list[Last]:
        """What is left out of `z`, by output: activations of layers, or by themselves.

        What they are does not depend on the samples: one is looked at.
        """
        x = take(self.batches[0][1], slice(1))
        if self.logits:
            return last_layers(self.model, x)
        return [None for _ in tree.flatten(evaluate(self.model, x))]

    def _point(self, weights: np.ndarray | None) -> Any:
        return self._tensor(self.weights if weights is None else weights)

    def _tensor(self, vector: np.ndarray) -> Any:
        if np.shape(vector) != (self.size,):
            raise ValueError(
                f"A vector must have one entry a weight, {self.size}. "
                f"Received: shape={np.shape(vector)}"
            )
        return ops.convert_to_tensor(vector, self.variables[0].dtype)

    def _finite_mean(
        self, function: Any, vector: np.ndarray, weights: np.ndarray | None
    ) -> np.ndarray:
        vectors = self._point(weights), self._tensor(vector)
        value, product = self._mean(function, *vectors)
        if not (np.isfinite(value) and np.isfinite(product).all()):
            raise ValueError(
                "The loss and its second derivatives must be finite on the data. "
                f"Received: model={self.model.name}, with weights "
                f"where the loss is {value:.4g}"
            )
        return product

    def _mean(self, function: Any, *vectors: Any) -> tuple[float, np.ndarray]:
        value, total = 0.0, np.zeros(self.size)
        for size, x, y in self.batches:
            loss, product = function(*vectors, x, y)
            value += float(loss) * size / self.samples
            total += ops.convert_to_numpy(product) * (size / self.samples)
        return value, total

    @functools.cached_property
    def _gradient(self) -> Any:
        return self._compiled(self._slopes, 1)

    def _slopes(self, flat: Any, x: Any, y: Any) -> tuple[Any, Any]:
        value, slopes = vjp(lambda w: self._loss(w, x, y), self._split(flat))
        return value, self._joined(slopes)

    @functools.cached_property
    def _hessian_product(self) -> Any:
        def product(flat: Any, tangent: Any, x: Any, y: Any) -> tuple[Any, Any]:
            (value, _), (_, products) = jvp(
                lambda weights: vjp(lambda w: self._loss(w, x, y), weights),
                self._split(flat),
                self._split(tangent),
            )
            return value, self._joined(products)

        return self._compiled(product, 2)

    @functools.cached_property
    def _gauss_newton_product(self) -> Any:
        if not ops.is_tensor(self.last_logits(self.batches[0][1])[0]):
            raise ValueError(
                "A Gauss-Newton matrix needs a model with one output. "
                f"Received: model={self.model.name}"
            )

        def product(flat: Any, tangent: Any, x: Any, y: Any) -> tuple[Any, Any]:
            weights = self._split(flat)
            activation: Callable[[Any], Any]

            def logits(weights: list[Any]) -> Any:
                nonlocal activation
                with self._scope(weights):
                    z, activation = self.last_logits(x)
                return z

            def loss(z: list[Any]) -> Any:
                with self._scope(weights):
                    return self.output_loss(activation(z[0]), x, y)

            z, change = jvp(logits, weights, self._split(tangent))
            (value, _), (_, (product,)) = jvp(lambda z: vjp(loss, z), [z], [change])
            return value, self._joined(vjp(logits, weights, product)[1])

        return self._compiled(product, 2)

    def _of_samples(self, batch: list[Any]) -> Any:
        """Returns the function of the arrays of a batch to the losses of its samples.

        Args:
            batch: Outputs, inputs and targets.
        """
        loss_model = self._loss_model
        # What comes with the loss of any batch is none of a sample's own.
        penalized = loss_model is self.model and not overrides_loss(loss_model)
        parts, pack = unpacked(batch)

        def loss(parts: list[Any]) -> Any:
            return ops.sum(self.output_loss(*pack([part[None] for part in parts])))

        def losses(parts: list[Any]) -> Any:
            with self.isolated():
                each = ops.vectorized_map(loss, parts)
                return each - self.penalties() if penalized else each

        return compiled(losses, [parts])

    def _compiled(self, function: Callable[..., Any], vectors: int) -> Any:
        _, x, y = self.batches[0]
        flat = self._tensor(np.zeros(self.size))
        return compiled(function, [*[flat] * vectors, x, y])

    def _loss(self, weights: list[Any], x: Any, y: Any) -> Any:
        with self._scope(weights):
            return self.batch_loss(x, y)

    def _scope(self, weights: list[Any]) -> keras.StatelessScope:
        """Gives the model other weights, and keeps its state, within a block."""
        values = [*zip(self.variables, weights, strict=True), *self._state]
        return keras.StatelessScope(values, collect_losses=True)

    def _split(self, flat: Any) -> list[Any]:
        # Compiled for vectors of all lengths: this one is known.
        flat = ops.reshape(flat, (self.size,))
        *parts, _ = ops.split(flat, self._ends.tolist())
        return [
            ops.cast(ops.reshape(part, shape), variable.dtype)
            for part, shape, variable in zip(
                parts, self._shapes, self.variables, strict=True
            )
        ]

    def _joined(self, tensors: list[Any]) -> Any:
        return ops.concatenate(
            [
                ops.cast(ops.reshape(tensor, (-1,)), self.variables[0].dtype)
                for tensor in tensors
            ]
        )

    def _check_loss(self) -> None:
        _, x, y = self.batches[0]
        x, y = take((x, y), slice(2))  # One would be repeated for any shape.
        check_loss(self._loss_model, self.model, x)
        try:
            shape = tuple(self._loss([v.value for v in self.variables], x, y).shape)
        except Exception as error:  # Each backend has its own.
            shapes = [tuple(part.shape) for part in tree.flatten(y)]
            raise ValueError(
                "The loss must take the targets beside the outputs of the model. "
                f"Received: y of shapes {shapes}, and "
                f"{type(error).__name__}: {first_line(error)}"
            ) from error
        if shape:
            raise ValueError(
                f"A loss must be one number. Received: a loss of shape {shape}"
            )
