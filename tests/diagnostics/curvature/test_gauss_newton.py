"""Skorski's theorems: the Gauss-Newton matrix and the bound by Jacobians."""

import keras
import numpy as np
import pytest

from keras_inits.diagnostics import (
    GaussNewtonOperator,
    HessianOperator,
    Objective,
    curvature,
    eigenvalues,
    jacobian_bound,
)

pytestmark = pytest.mark.usefixtures("float64")
LAYERS = ["first", "second", "last"]
CROSSENTROPY = "categorical_crossentropy"


def targets(loss, y):
    return np.eye(3)[y.argmax(axis=1)] if "crossentropy" in loss else y


def spectra(objective, layer):
    return [
        eigenvalues(operator(objective, layer), k=4)
        for operator in (HessianOperator, GaussNewtonOperator)
    ]


@pytest.mark.parametrize(
    ("activation", "last", "loss"),
    [
        ("relu", None, "mse"),
        ("relu", "tanh", "mse"),
        ("relu", "softmax", CROSSENTROPY),
        ("leaky_relu", "relu", "mse"),
        ("linear", "sigmoid", "binary_crossentropy"),
    ],
)
def test_theorem_1_is_exact_for_piecewise_linear_networks(
    activation, last, loss, data, network
):
    x, y = data
    model = network(activation, last, loss)
    objective = Objective(model, x, targets(loss, y), batch_size=16)
    vector = np.random.default_rng(0).normal(size=objective.size)
    for layer in LAYERS:
        places = objective.weight_mask(layer)
        direction = np.where(places, vector, 0)
        exact = objective.hessian_product(direction)[places]
        form = objective.gauss_newton_product(direction)[places]
        np.testing.assert_allclose(form, exact, rtol=1e-6, atol=1e-12)


def test_an_activation_that_is_a_layer(data):
    x, y = data
    layers = [keras.layers.Dense(4, name="first"), keras.layers.ReLU()]
    layers += [keras.layers.Dense(3), keras.layers.Softmax()]
    model = keras.Sequential([keras.Input((5,)), *layers])
    model.compile(loss=CROSSENTROPY)
    objective = Objective(model, x, targets(CROSSENTROPY, y))
    hessian, gauss_newton = spectra(objective, "first/kernel")
    np.testing.assert_allclose(
        gauss_newton.eigenvalues, hessian.eigenvalues, rtol=1e-6, atol=1e-12
    )
    bound = jacobian_bound(objective, "first")
    assert bound.bound >= gauss_newton.norm


def explicit(model, x, y, layer, logits, loss):
    """Equation 4 as printed, by matrices: `v = B A g F` and `H_z` of each sample."""
    kernels, biases = zip(*(part.get_weights() for part in model.layers), strict=True)
    total = 0
    for sample, target in zip(x, y, strict=True):
        f, slopes = [sample], []
        for kernel, bias in zip(kernels[:2], biases, strict=False):
            f.append(np.tanh(f[-1] @ kernel + bias))
            slopes.append(1 - f[-1] ** 2)
        z = f[-1] @ kernels[2] + biases[2]
        if loss == CROSSENTROPY:
            p = np.exp(z) / np.exp(z).sum()
            activation = np.diag(p) - np.outer(p, p)
            # Keras divides outputs by their sum, which adds a constant.
            curvature = activation if logits else np.diag(target / p**2) - 1
        else:
            p = np.tanh(z)
            activation = np.diag(1 - p**2)
            curvature = 2 / 3 * np.eye(3)
            if logits:
                second = 2 / 3 * (p - target) * -2 * p * (1 - p**2)
                curvature = activation @ curvature @ activation + np.diag(second)
        a = np.eye(3)
        if layer == "first":
            a = kernels[2].T @ np.diag(slopes[1]) @ kernels[1].T @ np.diag(slopes[0])
        if not logits:
            a = activation @ a
        inputs = f[0] if layer == "first" else f[2]
        v = np.einsum("zo,i->zio", a, inputs).reshape(3, -1)
        total = total + v.T @ curvature @ v / len(x)
    return total


@pytest.mark.parametrize(
    ("logits", "last", "loss"),
    [
        (True, "tanh", "mse"),
        (False, "tanh", "mse"),
        (True, "softmax", CROSSENTROPY),
        (False, "softmax", CROSSENTROPY),
    ],
)
def test_it_is_what_theorem_1_says(logits, last, loss, data, network):
    x, y = data[0], targets(loss, data[1])
    model = network("tanh", last, loss)
    objective = Objective(model, x, y, logits=logits)
    for layer in ("first", "last"):
        matrix = explicit(model, x, y, layer, logits, loss)
        operator = GaussNewtonOperator(objective, f"{layer}/kernel")
        spectrum = eigenvalues(operator, k=2)
        values = np.linalg.eigvalsh(matrix)
        values = values[np.argsort(-abs(values))[:2]]
        np.testing.assert_allclose(spectrum.eigenvalues, values, rtol=1e-5)
        g = np.linspace(-1, 1, len(matrix))
        assert operator.quadratic_form(g) == pytest.approx(g @ matrix @ g, rel=1e-9)


def test_it_is_not_exact_for_tanh(data, network):
    objective = Objective(network("tanh"), *data)
    hessian, gauss_newton = spectra(objective, "first/kernel")
    assert abs(hessian.norm - gauss_newton.norm) > 1e-2 * hessian.norm


def test_theorem_2_by_hand(data):
    """A linear network of two layers: every factor is known."""
    x, y = data
    first = keras.layers.Dense(4, use_bias=False, name="first")
    last = keras.layers.Dense(3, use_bias=False, name="last")
    model = keras.Sequential([keras.Input((5,)), first, last])
    model.compile(loss="mse")
    norms = [np.linalg.norm(layer.get_weights()[0], 2) for layer in (first, last)]
    squares = (x**2).sum(axis=1).mean()
    hidden = ((x @ first.get_weights()[0]) ** 2).sum(axis=1).mean()
    below, above = (
        jacobian_bound(Objective(model, x, y, batch_size=8), name)
        for name in ("first", "last")
    )
    # The Hessian of the mean of three squares is 2 / 3.
    expected = [norms[1], 2 / 3 * norms[1] ** 2 * squares]
    expected += [expected[1], norms[0], 2 / 3 * norms[0] ** 2 * squares, 2 / 3 * hidden]
    found = [below.theorem_2, below.equation_5, below.bound]
    found += [above.theorem_2, above.equation_5, above.bound]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("activation", "last", "loss", "logits"),
    [
        ("relu", None, "mse", True),
        ("relu", "softmax", CROSSENTROPY, True),
        ("relu", "softmax", CROSSENTROPY, False),
        ("sigmoid", "tanh", "mse", False),
    ],
)
def test_the_bound_holds(activation, last, loss, logits, data, network):
    x, y = data
    model = network(activation, last, loss)
    before = model.get_weights()
    y = targets(loss, y)
    found = curvature(Objective(model, x, y, batch_size=10, logits=logits))
    assert [row.layer for row in found.rows] == LAYERS
    for row in found.rows:
        # To the rounding of the Lanczos method.
        assert 0 < row.gauss_newton <= row.bound * (1 + 1e-6)
        if activation == "relu" and (logits or last is None):
            assert row.gauss_newton == pytest.approx(row.hessian, rel=1e-5)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_curvature_sets_the_probes_beside_each_other(data, network):
    objective = Objective(network("relu"), *data)
    found = curvature(objective)
    row = found.rows[1]
    assert row.hessian == eigenvalues(HessianOperator(objective, "second/kernel")).norm
    spectrum = eigenvalues(GaussNewtonOperator(objective, "second/kernel"))
    assert row.gauss_newton == spectrum.norm
    bound = jacobian_bound(objective, "second")
    assert (row.theorem_2, row.equation_5, row.bound) == (
        bound.theorem_2,
        bound.equation_5,
        bound.bound,
    )
    assert found.num_matvecs > 3 * spectrum.num_matvecs
    header, *lines = str(found).splitlines()
    assert {*header.split()} == {*found.to_dict()["rows"][0]}
    assert [line.split()[0] for line in lines] == LAYERS
    assert len({len(line) for line in lines}) == 1


def branches():
    inputs = keras.Input((5,))
    hidden = keras.layers.Dense(5, "relu", name="hidden")(inputs)
    outputs = keras.layers.Dense(3)(keras.layers.Add(name="add")([inputs, hidden]))
    return keras.Model(inputs, outputs)


def twice():
    inputs = keras.Input((5,))
    layer = keras.layers.Dense(5, name="twice")
    return keras.Model(inputs, keras.layers.Dense(3)(layer(layer(inputs))))


@pytest.mark.parametrize(("build", "layer"), [(branches, "hidden"), (twice, "twice#2")])
def test_the_bound_needs_a_chain(build, layer, data):
    with pytest.raises(ValueError, match=f"form a chain.*at layer '{layer}'"):
        jacobian_bound(Objective(build(), *data, loss="mse"), "hidden")


def test_what_will_not_do(data, network):
    objective = Objective(network(), *data)
    with pytest.raises(ValueError, match="Unknown dense layer.*'first'.*layer=fist"):
        jacobian_bound(objective, "fist")
    inputs = keras.Input((5,))
    two = keras.Model(inputs, [keras.layers.Dense(3)(inputs) for _ in range(2)])
    two.compile(loss=["mse", "mse"])
    with pytest.raises(ValueError, match="one output.*Received: model="):
        eigenvalues(GaussNewtonOperator(Objective(two, data[0], [data[1], data[1]])))
