"""The target of deep Q-learning: a value that the loss is measured against and that no gradient may reach.

    python examples/dqn_target.py

Two spellings give the same update to the bit: the target stopped inside the graph, and the target computed first and fed.
"""

import numpy as np

import symgrad as sg

GAMMA, RATE, STATES, ACTIONS = 0.9, 0.1, 4, 3


def network(state, W, b):
    return np.tanh(state @ W) + b


def main():
    rng = np.random.default_rng(2)
    start = rng.normal(size=(STATES, ACTIONS)), rng.normal(size=ACTIONS)
    old = sg.variable("target/W", rng.normal(size=(STATES, ACTIONS))), sg.variable("target/b", np.zeros(ACTIONS))
    s, after = sg.symbol("s", ("n", STATES)), sg.symbol("after", ("n", STATES))
    action, reward = sg.symbol("action", ("n", ACTIONS)), sg.symbol("reward", ("n",))
    value = reward + GAMMA * np.max(network(after, *old), axis=1)
    fed = sg.symbol("fed", ("n",))

    def update(name, target):
        """A training step towards a target, for variables of its own."""
        own = [sg.variable(f"{name}/{k}", array) for k, array in enumerate(start)]
        error = np.sum(network(s, *own) * action, axis=1) - target
        loss = np.mean(error**2)
        reached = sg.gradients(loss, [*own, *old])
        return own, loss, [(w, w - RATE * g) for w, g in zip(own, reached[:2], strict=True)], reached[2:]

    stopped, loss, updates, reached = update("stopped", sg.stop_gradient(value))
    print("gradients of the target network:", reached)
    inside = sg.compile(loss, [s, after, action, reward], updates=updates)
    outside, loss, updates, _ = update("fed", fed)
    first, second = sg.compile(value, [after, reward]), sg.compile(loss, [s, action, fed], updates=updates)

    states, following = rng.normal(size=(2, 8, STATES))
    chosen, rewards = np.eye(ACTIONS)[rng.integers(0, ACTIONS, 8)], rng.normal(size=8)
    for _ in range(10):
        inside(states, following, chosen, rewards)
        second(states, chosen, first(following, rewards))
    same = all(np.array_equal(a.value, b.value) for a, b in zip(stopped, outside, strict=True))
    print("both spellings train alike, to the bit:", same)
    return reached, same


if __name__ == "__main__":
    main()
