import keras
import numpy as np
import pytest

from keras_inits.diagnostics import HessianOperator, Objective, eigenvalues

pytestmark = pytest.mark.usefixtures("float64")


def values(model):
    return [keras.ops.convert_to_numpy(variable).copy() for variable in model.variables]


def sparse(data):
    x, y = data
    return x, y.argmax(axis=1)


def test_products_are_those_of_the_explicit_matrix(data, network, explicit_hessian):
    model = network()
    objective = Objective(model, *data)
    matrix = explicit_hessian(model, *data)
    columns = [objective.hessian_product(unit) for unit in np.eye(objective.size)]
    np.testing.assert_allclose(columns, matrix, atol=1e-10)


@pytest.mark.parametrize("batch_size", [1, 7])
def test_batches_give_the_result_of_all_samples(batch_size, data, network):
    model = network(kernel_regularizer="l2")
    vector = np.random.default_rng(0).normal(size=79)
    whole, parts = (
        Objective(model, *data, batch_size=size) for size in (64, batch_size)
    )
    for name in ("hessian_product", "gauss_newton_product"):
        expected = getattr(whole, name)(vector)
        np.testing.assert_allclose(getattr(parts, name)(vector), expected, atol=1e-12)
    assert parts.gradient()[0] == pytest.approx(whole.gradient()[0], rel=1e-12)


def test_a_penalty_on_weights_counts_once(data, network):
    plain = Objective(network(), *data)
    regularizer = keras.regularizers.L2(0.3)
    penalised = Objective(network(kernel_regularizer=regularizer), *data, batch_size=6)
    vector = np.where(plain.weight_mask("first/kernel"), 1.0, 0.0)
    added = penalised.hessian_product(vector) - plain.hessian_product(vector)
    np.testing.assert_allclose(added, 0.6 * vector, atol=1e-12)


def test_a_given_loss_takes_the_place_of_the_compiled_one(data, network):
    x, y = sparse(data)
    model = network(last="softmax", kernel_regularizer="l2")
    given = Objective(model, x, y, "sparse_categorical_crossentropy")
    model.compile(loss="sparse_categorical_crossentropy")
    loss, gradient = Objective(model, x, y).gradient()
    assert given.gradient()[0] == pytest.approx(loss, rel=1e-12)
    np.testing.assert_allclose(given.gradient()[1], gradient, atol=1e-12)
    assert loss == pytest.approx(model.evaluate(x, y, verbose=0), rel=1e-6)


def own_loss(y, outputs):
    return keras.ops.mean((y - outputs) ** 4)


def test_a_loss_of_ones_own(data, network, explicit_hessian):
    model = network()
    objective = Objective(model, *data, loss=own_loss)
    matrix = explicit_hessian(model, *data, own_loss)
    vector = np.linspace(-1, 1, objective.size)
    np.testing.assert_allclose(
        objective.hessian_product(vector), matrix @ vector, atol=1e-10
    )


def several_outputs():
    inputs = keras.Input((5,))
    hidden = keras.layers.Dense(4, "tanh")(inputs)
    hidden = keras.layers.BatchNormalization()(hidden)
    hidden = keras.layers.Dropout(0.5)(hidden)
    outputs = [
        keras.layers.Dense(1, "sigmoid", name="a")(hidden),
        keras.layers.Dense(3, name="b")(hidden),
    ]
    model = keras.Model(inputs, outputs)
    losses = {"a": "binary_crossentropy", "b": "mse"}
    model.compile(loss=losses, loss_weights={"a": 2.0, "b": 0.5})
    return model, lambda x, y: (x, {"a": (y[:, :1] > 0) * 1.0, "b": y})


def recurrent():
    model = keras.Sequential(
        [keras.Input((5, 1)), keras.layers.SimpleRNN(3), keras.layers.Dense(3)]
    )
    model.compile(loss="mse")
    return model, lambda x, y: (x[..., None], y)


def embedding():
    layers = [keras.layers.Embedding(9, 2), keras.layers.Flatten()]
    model = keras.Sequential([keras.Input((5,)), *layers, keras.layers.Dense(3)])
    model.compile(loss="mse")
    return model, lambda x, y: ((4 * abs(x)).astype(int) % 9, y)


def convolution():
    layers = [
        keras.layers.Reshape((5, 1)),
        keras.layers.Conv1D(2, 3, activation="tanh"),
        keras.layers.Flatten(),
    ]
    block = keras.Sequential([keras.Input((5,)), *layers])
    model = keras.Sequential([keras.Input((5,)), block, keras.layers.Dense(3)])
    model.compile(loss="mse")
    return model, lambda x, y: (x, y)


def shared():
    inputs = keras.Input((5,))
    layer = keras.layers.Dense(5, "tanh", name="shared")
    outputs = keras.layers.Dense(3)(layer(layer(inputs)))
    model = keras.Model(inputs, outputs)
    model.compile(loss="huber")
    return model, lambda x, y: (x, y)


@pytest.mark.parametrize(
    "build", [several_outputs, recurrent, embedding, convolution, shared]
)
def test_any_network(build, data):
    model, shaped = build()
    before = values(model)
    objective = Objective(model, *shaped(*data), batch_size=12)
    weights = objective.weights
    vector = np.random.default_rng(1).normal(size=objective.size)
    step = 1e-5 * vector
    _, above = objective.gradient(weights + step)
    _, below = objective.gradient(weights - step)
    # A central difference is exact to about the square of the step.
    np.testing.assert_allclose(
        objective.hessian_product(vector), (above - below) / 2e-5, rtol=1e-5, atol=1e-7
    )
    for now, then in zip(values(model), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_it_follows_the_weights_of_the_model(data, network):
    model = network()
    objective = Objective(model, *data)
    vector = np.ones(objective.size)
    weights = objective.weights
    first = objective.hessian_product(vector)
    model.layers[0].kernel.assign(2 * model.layers[0].kernel)
    fresh = Objective(model, *data)
    np.testing.assert_array_equal(
        objective.hessian_product(vector), fresh.hessian_product(vector)
    )
    np.testing.assert_array_equal(objective.hessian_product(vector, weights), first)


def test_weight_mask(data, network):
    model = network()
    objective = Objective(model, *data)
    assert [
        objective.weight_mask(name).sum() for name in ("first", "first/kernel", None)
    ] == [
        36,
        30,
        79,
    ]
    np.testing.assert_array_equal(
        objective.weight_mask(model.layers[1]), objective.weight_mask("second")
    )
    model.layers[0].trainable = False
    frozen = Objective(model, *data)
    assert frozen.size == 43
    with pytest.raises(ValueError, match="Unknown layer with trainable.*layer=first"):
        frozen.weight_mask("first")


def test_layers_of_one_name(data):
    layers = [keras.layers.Dense(3, name="same") for _ in range(2)]
    block = keras.Sequential([keras.Input((5,)), layers[0]])
    model = keras.Sequential([keras.Input((5,)), block, layers[1]])
    objective = Objective(model, *data, loss="mse")
    with pytest.raises(ValueError, match="Several layers.*Received: layer=same"):
        objective.weight_mask("same")
    assert objective.weight_mask(layers[0]).nonzero()[0].tolist() == list(range(18))


def unbuilt():
    return keras.Sequential([keras.layers.Dense(3)])


def frozen():
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])
    model.trainable = False
    return model


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (unbuilt, "must be built.*not built"),
        (frozen, "must have trainable weights.*which has none"),
    ],
)
def test_models_that_will_not_do(build, message, data):
    with pytest.raises(ValueError, match=message):
        Objective(build(), *data, loss="mse")


@pytest.mark.parametrize("compiled", [True, False])
def test_without_a_loss(compiled, data):
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])
    if compiled:
        model.compile("sgd")
    with pytest.raises(ValueError, match="compiled with a loss.*loss=None"):
        Objective(model, *data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x[:, :4], y), "what the model takes.*Received: shapes"),
        (lambda x, y: (x, y[:9]), "as many as the samples, 20.*Received: y of"),
        (lambda x, y: (x, y[:, :2]), "loss must take the targets.*Received: y of"),
    ],
)
def test_data_that_does_not_fit(change, message, data, network):
    with pytest.raises(ValueError, match=message):
        Objective(network(), *change(*data))


def test_a_sum_over_samples_must_be_one_batch(data, network):
    loss = keras.losses.MeanSquaredError(reduction="sum")
    model = network(loss=loss)
    with pytest.raises(ValueError, match="reduction='sum', 20 samples, batch_size=8"):
        Objective(model, *data, batch_size=8)
    mean = network()
    vector = np.ones(79)
    np.testing.assert_allclose(
        Objective(model, *data).hessian_product(vector),
        20 * Objective(mean, *data).hessian_product(vector),
        rtol=1e-10,
    )


def test_a_loss_that_is_not_finite(data, network):
    model = network()
    model.layers[1].kernel.assign(np.full((6, 4), np.nan))
    with pytest.raises(ValueError, match="must be finite.*the loss is nan"):
        eigenvalues(HessianOperator(Objective(model, *data)))


def test_vectors_of_another_length(data, network):
    with pytest.raises(ValueError, match=r"one entry a weight, 79.*shape=\(78,\)"):
        Objective(network(), *data).hessian_product(np.ones(78))
