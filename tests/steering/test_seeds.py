"""The worked cases that the project grew from, each with variations, on every road and in both float types."""

from __future__ import annotations

import numpy as np
import pytest
from comparing import assert_same
from roads import both_floats, every_road

import symgrad as sg


def vector(name, dtype, size=3):
    return sg.symbol(name, (size,), dtype)


def arrays(dtype, *lists):
    return [np.array(one, dtype) for one in lists]


def check(run, outputs, values, wanted):
    """Outputs at the values of their inputs are the wanted lists, in the inputs' element type."""
    found = run(outputs, values)
    for one, want, node in zip(found, wanted, outputs, strict=True):
        assert_same(one, np.asarray(want, node.dtype))


# -- rows 1, 2: gradients and head gradients ------------------------------------------------------------------------
@every_road
@both_floats
def test_sums_over_all_elements_of_all_ys(run, dtype):
    x, y = vector("x", dtype), vector("y", dtype)
    made = sg.gradients([x * x, np.sum(x * y), 2 * y], [x, y])
    check(run, made, dict(zip((x, y), arrays(dtype, [1, 2, 3], [4, 5, 6]), strict=True)), [[6, 9, 12], [3, 4, 5]])


@every_road
@both_floats
def test_head_gradients(run, dtype):
    w = [vector(f"w{k}", dtype) for k in range(1, 5)]
    z1, z2 = w[0] + w[1] + w[2], w[2] + w[3]
    heads = arrays(dtype, [2, 2, 3], [3, 2, 4])
    values = dict(zip(w, arrays(dtype, *[[1, 2, 3]] * 4), strict=True))
    made = sg.gradients([z1, z2], w, grad_ys=heads)
    check(run, made, values, [[2, 2, 3], [2, 2, 3], [5, 4, 7], [3, 2, 4]])
    made = sg.gradients([z1, z2 * z2], [w[2]], grad_ys=[None, heads[1]])  # None stands for ones
    check(run, made, values, [[13, 17, 49]])
    symbolic = sg.gradients([z1 * w[0]], [w[0]], grad_ys=[w[3]])
    check(run, symbolic, values, [[4, 16, 36]])


def test_head_gradients_that_do_not_fit():
    x = vector("x", "float64")
    with pytest.raises(sg.GradientError) as caught:
        sg.gradients([x, x * x], [x], grad_ys=[np.ones(3)])
    assert caught.value.what == "gradients: 1 head gradients for 2 ys"
    with pytest.raises(sg.ShapeError) as caught:
        sg.gradients([x], [x], grad_ys=[np.ones(2)])
    assert caught.value.what == "gradients: head gradient 0 has shape (2,), its y (3,)"


# -- rows 3, 4, 7: unconnected inputs, matrix products of integers, higher orders -----------------------------------
@both_floats
def test_unconnected_inputs(dtype):
    x, y = vector("x", dtype), vector("y", dtype)
    assert sg.gradients(x * x, [y]) == [None]
    assert sg.gradients(x.astype("int64").astype(dtype), [x]) == [None]
    (zero,) = sg.gradients(x * x, [y], unconnected="zero")
    assert_same(sg.compile(zero, [])(), np.zeros(3, dtype))
    with pytest.raises(sg.UnconnectedGradientError):
        sg.gradients(x * x, [y], unconnected="raise")
    with pytest.raises(sg.UnconnectedGradientError):
        sg.compile(sg.gradients(x * x, [x, y]), [x])


@every_road
@pytest.mark.parametrize("dtype", ["float64", "float32", "int32", "int64"])
def test_matrix_products(run, dtype):
    a, b = sg.symbol("a", (1, 2), dtype), sg.symbol("b", (2, 1), dtype)
    values = {a: np.array([[1, 2]], dtype), b: np.array([[9], [10]], dtype)}
    check(run, sg.gradients(a @ b, [a, b]), values, [[[9, 10]], [[1], [2]]])
    check(run, sg.gradients(np.matmul(a, b) * 3 + a[0, 0], [a]), values, [[[28, 30]]])


@every_road
@both_floats
def test_higher_orders(run, dtype):
    x = sg.symbol("x", dtype=dtype)
    made = [x * x]
    for _ in range(3):
        made += sg.gradients(made[-1], [x], unconnected="zero")
    check(run, made[1:], {x: np.asarray(1, dtype)}, [2, 2, 0])
    made = [np.sin(x) * np.exp(x)]
    for _ in range(4):
        made += sg.gradients(made[-1], [x])
    check(run, made[4:], {x: np.asarray(0.5, dtype)}, [-4 * np.sin(0.5) * np.exp(0.5)])


# -- rows 5, 6: stops -----------------------------------------------------------------------------------------------
@every_road
@both_floats
def test_stopped_values(run, dtype):
    a, b = vector("a", dtype), vector("b", dtype)
    e = sg.stop_gradient(a + b) + (a + b)
    values = dict(zip((a, b), arrays(dtype, [1, 2, 3], [4, 5, 6]), strict=True))
    check(run, [e, *sg.gradients(e, [a, b])], values, [[10, 14, 18], [1, 1, 1], [1, 1, 1]])
    product = sg.stop_gradient(a) * a * b
    check(run, sg.gradients(product, [a, b]), values, [[4, 10, 18], [1, 4, 9]])
    inside = np.sum(a * sg.stop_gradient(np.sum(a)))
    check(run, sg.gradients(inside, [a]), values, [[6, 6, 6]])


@every_road
@both_floats
def test_stops_of_one_call(run, dtype):
    a, b = vector("a", dtype), vector("b", dtype)
    c = a * b
    y = c * a
    values = dict(zip((a, b), arrays(dtype, [1, 2, 3], [4, 5, 6]), strict=True))
    check(run, sg.gradients(y, [a], stop_gradients=[c]), values, [[4, 10, 18]])
    check(run, sg.gradients(y, [a]), values, [[8, 20, 36]])
    assert sg.gradients(c * 2, [a], stop_gradients=[c]) == [None]
    assert sg.gradients(y, [a, b], stop_gradients=[a, c])[1] is None


@every_road
@both_floats
def test_stops_from_the_second_order_on(run, dtype):
    x = sg.symbol("x", dtype=dtype)
    y = sg.stop_gradient(x**3, order=2) + x**2
    (first,) = sg.gradients(y, [x])
    (second,) = sg.gradients(first, [x])
    check(run, [y, first, second], {x: np.asarray(2, dtype)}, [12, 16, 2])


# -- rows 8, 9, 10: overrides ---------------------------------------------------------------------------------------
@sg.register_gradient("QuantizeGrad")
def quantize(node, head):
    return sg.where((node.inputs[0] >= -1) & (node.inputs[0] <= 1), head, 0)


@every_road
@both_floats
def test_sign_as_identity(run, dtype):
    x = vector("x", dtype)
    with sg.gradient_override_map({"Sign": "Identity"}):
        y = np.sign(x / sg.stop_gradient(np.mean(abs(x))))
    values = {x: np.array([0.5, -1.5, 4.0], dtype)}
    check(run, [y, *sg.gradients(y, [x])], values, [[1, -1, 1], [0.5, 0.5, 0.5]])
    plain = np.sign(x / sg.stop_gradient(np.mean(abs(x))))
    check(run, sg.gradients(plain, [x]), values, [[0, 0, 0]])


@every_road
@both_floats
def test_relu_as_identity(run, dtype):
    x = vector("x", dtype, 5)
    with sg.gradient_override_map({"Relu": "Identity"}):
        y = sg.nn.relu(x)
    values = {x: np.array([-1, -0.5, 0, 0.5, 1], dtype)}
    check(run, [y, *sg.gradients(y, [x])], values, [[0, 0, 0, 0.5, 1], np.ones(5)])
    check(run, sg.gradients(sg.nn.relu(x), [x]), values, [[0, 0, 0, 1, 1]])


@every_road
@both_floats
def test_a_registered_rule(run, dtype):
    x = vector("x", dtype, 5)
    with sg.gradient_override_map({"Sign": "QuantizeGrad"}):
        y = np.sign(x) * x
    values = {x: np.array([-2, -1, 0.5, 1, 3], dtype)}
    check(run, sg.gradients(y, [x]), values, [[-1, -2, 1.5, 2, 1]])
    tangent = sg.jvp(lambda x: overridden(x), (x,), (x,))[1]  # a rule that is linear has a forward mode too
    check(run, [tangent], values, [[0, -1, 0.5, 1, 0]])


def overridden(x):
    with sg.gradient_override_map({"Sign": "QuantizeGrad"}):
        return np.sign(x)


@every_road
@both_floats
def test_maps_nest_and_end(run, dtype):
    x = vector("x", dtype)
    with sg.gradient_override_map({"sign": "Identity"}):
        outer = np.sign(x)
        with sg.gradient_override_map({"sign": "QuantizeGrad"}):
            inner = np.sign(x)
        again = np.sign(x) * 1.0
        with pytest.raises(RuntimeError), sg.gradient_override_map({"sign": "QuantizeGrad"}):
            raise RuntimeError
        after = np.sign(x) + 0.0
    values = {x: np.array([-2, 0.5, 3], dtype)}
    made = [sg.gradients(one, [x])[0] for one in (outer, inner, again, after, np.sign(x))]
    check(run, made, values, [[1, 1, 1], [0, 1, 0], [1, 1, 1], [1, 1, 1], [0, 0, 0]])


@every_road
@both_floats
def test_a_rule_may_be_that_of_another_operation(run, dtype):
    x = vector("x", dtype)
    with sg.gradient_override_map({"Sign": "tanh", "Floor": "Identity"}):
        y, z = np.sign(x), np.floor(x) * x
    values = {x: np.array([-2, 0.5, 3], dtype)}
    wanted = [1 - np.tanh(values[x].astype(float)) ** 2, [-4, 0.5, 6]]
    check(run, [*sg.gradients(y, [x]), *sg.gradients(z, [x])], values, wanted)
    with sg.gradient_override_map({"Sign": "maximum"}):
        y = np.sign(x)
    with pytest.raises(sg.GradientError) as caught:
        sg.gradients(y, [x])
    assert caught.value.what == "the rule of maximum does not fit sign: its inputs or results are others"


@every_road
@both_floats
def test_rules_for_a_graph_already_built(run, dtype):
    x = vector("x", dtype)
    with sg.name_scope("net"):
        h = np.sign(x)
    y = h * x
    values = {x: np.array([-2, 0.5, 3], dtype)}
    selectors = ["sign", "Sign", "net/*", h]
    made = [sg.gradients(y, [x], rules=sg.Rules({one: "QuantizeGrad"}))[0] for one in selectors]
    check(run, [y, *made], values, [[2, 0.5, 3], *[[-1, 1.5, 1]] * 4])
    stopped = sg.gradients(np.tanh(x) * x, [x], rules=sg.Rules(stops=["tanh"]))
    check(run, stopped, values, [np.tanh(values[x].astype(float))])
    by_function = sg.gradients(y, [x], rules=sg.Rules({h: lambda node, head: 10 * head}))
    check(run, by_function, values, [[-21, 6, 31]])


def test_selectors_that_match_nothing_and_unknown_names():
    x = vector("x", "float64")
    with pytest.raises(sg.GradientError) as caught:
        sg.gradients(np.sin(x), [x], rules=sg.Rules({"cos": "Identity"}))
    assert caught.value.what == "Rules: 'cos' selects nothing in this graph"
    with pytest.raises(sg.GradientError) as caught:
        sg.gradients(np.sin(x), [x], rules=sg.Rules(stops=["nett/*"]))
    assert caught.value.what == "Rules: 'nett/*' selects nothing in this graph"
    with pytest.raises(sg.GradientError) as caught, sg.gradient_override_map({"Signn": "Identity"}):
        pass
    assert caught.value.what == "no operation is named 'Signn'"
    assert caught.value.hint.startswith("did you mean sign")
    with pytest.raises(sg.GradientError) as caught, sg.gradient_override_map({"Sign": "QuantizeGrade"}):
        pass
    assert caught.value.what == "no gradient rule is named 'QuantizeGrade'"
    assert caught.value.hint.startswith("did you mean QuantizeGrad")


def test_a_name_belongs_to_one_rule():
    def define(k):
        def rule(node, head):
            return k * head

        return rule

    sg.register_gradient("OneRule")(define(1))
    sg.register_gradient("OneRule")(define(2))  # the same definition, run again
    x = sg.symbol("x")
    with sg.gradient_override_map({"sign": "OneRule"}):
        assert sg.compile(sg.gradients(np.sign(x), [x])[0], [x])(0.5) == 2
    with pytest.raises(sg.GradientError) as caught:
        sg.register_gradient("OneRule")(lambda node, head: head)
    assert caught.value.what == "register_gradient: the name 'OneRule' is taken"


def test_rules_that_return_something_else():
    x, y = vector("x", "float64"), vector("y", "float64")
    cases = {
        "count": lambda node, head: (head, head),
        "shape": lambda node, head: np.ones(2),
    }
    with pytest.raises(sg.GradientError) as caught:
        sg.gradients(np.tanh(x), [x], rules=sg.Rules({"tanh": cases["count"]}))
    assert caught.value.what == "<lambda>: returned 2 gradients for the 1 inputs of tanh"
    with pytest.raises(sg.GradientError) as caught:
        sg.gradients(np.tanh(x), [x], rules=sg.Rules({"tanh": cases["shape"]}))
    assert caught.value.what == "<lambda>: gradient of shape (2,) for an input of tanh, of shape (3,)"
    with pytest.raises(sg.GradientError) as caught:
        sg.gradients(np.tanh(x), [x], rules=sg.Rules({"tanh": lambda node, head: head > 0}))
    assert caught.value.what == "<lambda>: gradient of element type bool for an input of tanh, which is float64"
    assert caught.value.hint == "convert it with .astype('float64')"

    def fails(node, head):
        raise RuntimeError("no idea")

    with pytest.raises(RuntimeError, match="no idea"):
        sg.gradients(np.tanh(x) * y, [x], rules=sg.Rules({"tanh": fails}))


# -- rows 12, 13, 14: estimators ------------------------------------------------------------------------------------
@every_road
@both_floats
def test_gradient_reversal(run, dtype):
    strength = sg.symbol("strength", dtype=dtype)

    @sg.custom_gradient(untrue="reversed on purpose")
    def reversal(x):
        return x, lambda head: -strength * head

    x = vector("x", dtype)
    y = reversal(x * x) * x
    values = {x: np.array([1, 2, 3], dtype), strength: np.asarray(0.5, dtype)}
    check(run, [y, *sg.gradients(y, [x])], values, [[1, 8, 27], [0, 0, 0]])
    twice = reversal(reversal(x))
    check(run, sg.gradients(twice, [x]), values, [[0.25] * 3])


@every_road
@both_floats
def test_straight_through_by_stopping(run, dtype):
    """x + stop(q(x) - x) has the value of q and the derivative of x; cancelled where x saturates by a clip."""
    x = vector("x", dtype, 4)
    clipped = np.clip(x, -1, 1)
    y = clipped + sg.stop_gradient(np.sign(x) - clipped)
    values = {x: np.array([-2, -0.5, 0.25, 1.5], dtype)}
    check(run, [y, *sg.gradients(y, [x])], values, [[-1, -1, 1, 1], [0, 1, 1, 0]])
    rounded = x + sg.stop_gradient(np.rint(x) - x)
    check(run, [rounded * x, *sg.gradients(rounded * x, [x])], values, [[4, 0, 0, 3], [-4, -0.5, 0.25, 3.5]])


# -- rows 22, 23, 27, 29 --------------------------------------------------------------------------------------------
@every_road
@both_floats
def test_a_gradient_in_two_parts(run, dtype):
    x, W = sg.symbol("x", (2, 3), dtype), sg.symbol("W", (3, 2), dtype)
    h = np.tanh(x @ W)
    loss = np.sum(h * h)
    (first,) = sg.gradients(loss, [h])
    parts = sg.gradients(h, [W], grad_ys=[first])
    rng = np.random.default_rng(0)
    X, w = rng.normal(size=(2, 3)), rng.normal(size=(3, 2))
    H = np.tanh(X @ w)
    want = X.T @ (2 * H * (1 - H * H))
    values = {x: X.astype(dtype), W: w.astype(dtype)}
    check(run, [*parts, *sg.gradients(loss, [W])], values, [want, want])


@every_road
@both_floats
def test_jacobians_keep_the_targets_elements_apart(run, dtype):
    x = vector("x", dtype)
    y = np.stack([x[0] * x[1], x[1] * x[2]])
    values = {x: np.array([2, 3, 5], dtype)}
    for mode in ("forward", "reverse"):
        check(run, [sg.jacobian(y, x, mode=mode)], values, [[[3, 2, 0], [0, 5, 3]]])
    check(run, [sg.jacobian(x * x, x)], values, [np.diag([4, 6, 10])])


@every_road
@both_floats
def test_no_gradient_reaches_a_stopped_target(run, dtype):
    q, target = sg.symbol("q", ("n", 3), dtype), sg.symbol("target", ("n", 3), dtype)
    action, reward, fed = (
        sg.symbol(name, shape, dtype) for name, shape in (("action", ("n", 3)), ("reward", ("n",)), ("fed", ("n",)))
    )
    aim = reward + 0.9 * np.max(target, axis=1)
    chosen = np.sum(q * action, axis=1)
    stopped = sg.gradients(np.sum((chosen - sg.stop_gradient(aim)) ** 2), [q, target])
    assert stopped[1] is None
    given = sg.gradients(np.sum((chosen - fed) ** 2), [q])
    rng = np.random.default_rng(1)
    Q, T, r = rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), rng.normal(size=4)
    A = np.eye(3)[[0, 2, 1, 2]]
    want = 2 * ((Q * A).sum(1) - (r + 0.9 * T.max(1)))[:, None] * A
    values = {q: Q.astype(dtype), target: T.astype(dtype), action: A.astype(dtype), reward: r.astype(dtype)}
    check(run, [stopped[0]], values, [want])
    (goal,) = run([aim], {target: values[target], reward: values[reward]})
    (first,) = run([stopped[0]], values)
    (second,) = run(given, {q: values[q], action: values[action], fed: goal})
    np.testing.assert_array_equal(first, second)


@both_floats
def test_one_kernel_for_every_batch_size(dtype):
    x, W = sg.symbol("x", (None, 4), dtype), sg.symbol("W", (4, 2), dtype)
    kernel = sg.compile(sg.gradients(np.mean((x @ W) ** 2), [W])[0], [x, W])
    rng = np.random.default_rng(2)
    w = rng.normal(size=(4, 2))
    for count in (1, 2, 7, 64):
        X = rng.normal(size=(count, 4))
        want = X.T @ (X @ w) / count
        np.testing.assert_allclose(
            kernel(X.astype(dtype), w.astype(dtype)), want, rtol=1e-4 if dtype == "float32" else 1e-12
        )


# -- rows 12, 20, 21, 30: steps as losses, ascent, tapes, variables -------------------------------------------------
@every_road
@both_floats
def test_a_step_function_with_a_gradient_of_its_own(run, dtype):
    @sg.custom_gradient(untrue="the slope of the hinge")
    def mistakes(margin):
        return np.where(margin > 0, 0.0, 1.0).astype(margin.dtype), lambda head: -head * (margin < 1)

    m = vector("m", dtype, 4)
    values = {m: np.array([-1, 0.5, 1, 2], dtype)}
    check(run, [mistakes(m), *sg.gradients(mistakes(m), [m])], values, [[1, 0, 0, 0], [-1, -1, 0, 0]])
    check(run, sg.gradients(np.sum(mistakes(2 * m) * m), [m]), values, [[3, 0, 0, 0]])
    with sg.gradient_override_map({"Floor": "Identity"}):
        stairs = np.floor(m * 2) / 2
    check(run, [stairs, *sg.gradients(stairs, [m])], values, [[-1, 0.5, 1, 2], [1, 1, 1, 1]])


@both_floats
def test_ascent(dtype):
    start = np.array([3.0, -1.0], dtype)
    for updates_of in (
        lambda w, f: sg.optim.GradientDescent(0.25).minimize(-f),
        lambda w, f: [(w, w + 0.25 * sg.gradients(f, [w])[0])],
        lambda w, f: sg.optim.GradientDescent(0.25).apply_gradients([-sg.gradients(f, [w])[0]], [w]),
    ):
        w = sg.variable("w", start)
        height = -np.sum((w - 1) ** 2)
        step = sg.compile(height, [], updates=updates_of(w, height))
        assert [float(step()) for _ in range(3)] == [-8, -2, -0.5]
        assert_same(w.value, np.array([1.25, 0.75], dtype))


@every_road
@both_floats
def test_tapes(run, dtype):
    x, y = vector("x", dtype), vector("y", dtype)
    values = dict(zip((x, y), arrays(dtype, [1, 2, 3], [4, 5, 6]), strict=True))
    with sg.GradientTape(persistent=True) as tape:
        tape.watch(x)
        z = x * x * y
    made = [tape.gradient(z, x), tape.jacobian(z, x)]
    check(run, made, values, [[8, 20, 36], np.diag([8, 20, 36])])
    assert tape.gradient(z, y) is None  # not watched
    with sg.GradientTape() as outer:
        outer.watch(x)
        with sg.GradientTape() as inner:
            inner.watch(x)
            cube = x**3
        slope = inner.gradient(cube, x)
    check(run, [outer.gradient(slope, x)], values, [[6, 12, 18]])
    with pytest.raises(sg.GradientError):
        outer.gradient(slope, x)


@both_floats
def test_variables(dtype):
    with sg.name_scope("seeds"), sg.name_scope(dtype):
        w = sg.variable("w", np.array([1, 2], dtype))
        fixed = sg.variable("fixed", np.array(3, dtype), trainable=False)
    scope = f"seeds/{dtype}/*"
    assert [one.name for one in sg.variables(scope)] == [f"seeds/{dtype}/fixed", f"seeds/{dtype}/w"]
    assert [one.name for one in sg.variables(scope, trainable=True)] == [f"seeds/{dtype}/w"]
    loss = np.sum(fixed * w**2)
    assert_same(sg.compile(sg.gradients(loss, [w, fixed])[0], [])(), np.array([6, 12], dtype))
    assert sg.gradients(loss, [w], rules=sg.Rules(stops=[scope])) == [None]
    step = sg.compile(loss, [], updates=[w.assign_sub(sg.gradients(loss, [w])[0] / 12), (fixed, fixed + 1)])
    assert float(step()) == 15
    assert_same(w.value, np.array([0.5, 1], dtype))
    w.assign([4, 5])
    assert_same(w.value, np.array([4, 5], dtype))
    assert_same(fixed.value, np.array(4, dtype))
