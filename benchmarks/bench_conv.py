"""Convolutions and both their derivatives beside NumPy (windows copied into a matrix, then BLAS), JAX and PyTorch.

    python benchmarks/bench_conv.py [--json FILE] [--rounds N]

Single-threaded, best of interleaved rounds, ratios (peer / symgrad) first; results are compared before anything is
measured.  JAX and PyTorch take part where they are installed, the latter with channels last, as the arrays are.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is loaded: threads that spin would cost its figures
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import importlib.util
from collections.abc import Callable
from typing import Any, NamedTuple

import measuring
import numpy as np

import symgrad as sg

Work = dict[str, Callable[[], Any]]


class Layer(NamedTuple):
    """A convolution with padding "same"."""

    size: int
    inside: int
    outside: int
    taps: int = 3
    stride: int = 1
    batch: int = 32

    @property
    def places(self) -> int:
        return -(-self.size // self.stride)

    @property
    def flops(self) -> int:
        return 2 * self.batch * self.places**2 * self.taps**2 * self.inside * self.outside

    def __str__(self) -> str:
        filters = f"{self.taps}x{self.taps} on {self.size}x{self.size}x{self.inside}->{self.outside}"
        return f"{filters}, batch {self.batch}" + (f", strides {self.stride}" if self.stride > 1 else "")


LAYERS = (Layer(28, 16, 32), Layer(28, 16, 32, stride=2), Layer(28, 1, 8, taps=5), Layer(14, 64, 64))
PARTS = ("forward", "input", "filter")


# -- NumPy ----------------------------------------------------------------------------------------------------------
def margins(layer: Layer) -> tuple[int, int]:
    """Padding before and after, by TensorFlow's rule."""
    total = max((layer.places - 1) * layer.stride + layer.taps - layer.size, 0)
    return total // 2, total - total // 2


def windows(x: Any, layer: Layer) -> Any:
    """The matrix of all windows: (places, elements)."""
    pad = margins(layer)
    seen = np.lib.stride_tricks.sliding_window_view(
        np.pad(x, ((0, 0), pad, pad, (0, 0))), (layer.taps, layer.taps), (1, 2)
    )
    seen = seen[:, :: layer.stride, :: layer.stride].transpose(0, 1, 2, 4, 5, 3)
    return seen.reshape(layer.batch * layer.places**2, -1)


def by_numpy(layer: Layer, x: Any, w: Any, head: Any) -> Work:
    def forward() -> Any:
        return (windows(x, layer) @ w.reshape(-1, layer.outside)).reshape(head.shape)

    def input_() -> Any:
        before, after = margins(layer)
        parts = head.reshape(-1, layer.outside) @ w.reshape(-1, layer.outside).T
        parts = parts.reshape(layer.batch, layer.places, layer.places, layer.taps, layer.taps, layer.inside)
        out = np.zeros((layer.batch, *[before + layer.size + after] * 2, layer.inside), x.dtype)
        last = (layer.places - 1) * layer.stride + 1
        for i in range(layer.taps):
            for j in range(layer.taps):
                out[:, i : i + last : layer.stride, j : j + last : layer.stride] += parts[:, :, :, i, j]
        return out[:, before : before + layer.size, before : before + layer.size]

    def filter_() -> Any:
        return (windows(x, layer).T @ head.reshape(-1, layer.outside)).reshape(w.shape)

    return dict(zip(PARTS, (forward, input_, filter_), strict=True))


# -- symgrad, JAX and PyTorch -----------------------------------------------------------------------------------------
def by_symgrad(layer: Layer, x: Any, w: Any, head: Any) -> Work:
    own = [
        sg.symbol(name, ("n", *a.shape[1:]) if name != "w" else a.shape, a.dtype)
        for name, a in zip("xwh", (x, w, head), strict=True)
    ]
    how = {"strides": layer.stride, "padding": "same"}
    made = (
        sg.nn.conv2d(own[0], own[1], **how),
        sg.nn.conv2d_backprop_input(own[0].shape, own[1], own[2], **how),
        sg.nn.conv2d_backprop_filter(own[0], w.shape, own[2], **how),
    )
    inputs = (own[:2], own[1:], own[::2])
    arrays = ((x, w), (w, head), (x, head))
    kernels = [sg.compile(node, list(names)) for node, names in zip(made, inputs, strict=True)]
    return {
        part: (lambda kernel=kernel, given=given: kernel(*given))
        for part, kernel, given in zip(PARTS, kernels, arrays, strict=True)
    }


def by_jax(layer: Layer, x: Any, w: Any, head: Any) -> Work | None:
    if importlib.util.find_spec("jax") is None:
        return None
    import jax

    jax.config.update("jax_enable_x64", True)

    def convolve(x: Any, w: Any) -> Any:
        return jax.lax.conv_general_dilated(
            x, w, (layer.stride,) * 2, "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    forward = jax.jit(convolve)
    input_ = jax.jit(lambda x, w, head: jax.vjp(lambda x: convolve(x, w), x)[1](head)[0])
    filter_ = jax.jit(lambda x, w, head: jax.vjp(lambda w: convolve(x, w), w)[1](head)[0])
    x, w, head = (jax.numpy.asarray(one) for one in (x, w, head))
    return {
        "forward": lambda: forward(x, w).block_until_ready(),
        "input": lambda: input_(x, w, head).block_until_ready(),
        "filter": lambda: filter_(x, w, head).block_until_ready(),
    }


def by_torch(layer: Layer, x: Any, w: Any, head: Any) -> Work | None:
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    torch.set_num_threads(1)
    image, cotangent = (torch.from_numpy(one).permute(0, 3, 1, 2) for one in (x, head))  # channels last in memory
    filters = torch.from_numpy(w).permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
    before, after = margins(layer)
    uneven = after - before  # PyTorch pads both sides alike: what is more goes into a larger image

    def gradient(*wanted: bool) -> Any:
        seen = torch.nn.functional.pad(image, (0, uneven, 0, uneven)) if uneven else image
        made = torch.ops.aten.convolution_backward(
            cotangent, seen, filters, None, [layer.stride] * 2, [before] * 2, [1, 1], False, [0, 0], 1, [*wanted, False]
        )
        return made[wanted.index(True)]

    def forward() -> Any:
        seen = torch.nn.functional.pad(image, (0, uneven, 0, uneven)) if uneven else image
        return torch.nn.functional.conv2d(seen, filters, stride=layer.stride, padding=before)

    return {
        "forward": lambda: forward().permute(0, 2, 3, 1),
        "input": lambda: gradient(True, False)[:, :, : layer.size, : layer.size].permute(0, 2, 3, 1),
        "filter": lambda: gradient(False, True).permute(2, 3, 1, 0),
    }


def contenders(layer: Layer, dtype: str) -> dict[str, Work]:
    """By name, with results that agree."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(layer.batch, layer.size, layer.size, layer.inside)).astype(dtype)
    w = rng.normal(size=(layer.taps, layer.taps, layer.inside, layer.outside)).astype(dtype)
    head = rng.normal(size=(layer.batch, layer.places, layer.places, layer.outside)).astype(dtype)
    made = {"symgrad": by_symgrad, "numpy": by_numpy, "jax": by_jax, "torch": by_torch}
    works = {name: work for name, make in made.items() if (work := make(layer, x, w, head)) is not None}
    for part in PARTS:
        want = works["numpy"][part]()
        for work in works.values():
            scale = float(np.abs(want).max())
            np.testing.assert_allclose(work[part](), want, rtol=0, atol=scale * (1e-4 if dtype == "float32" else 1e-12))
    return works


def main() -> None:
    """Run the benchmark."""
    parser = measuring.parser(__doc__, rounds=30)
    parser.add_argument("--types", default="fd", help="f: float32, d: float64")
    chosen = parser.parse_args()
    measuring.on_one_processor()
    figures = {}
    print(f"{'peer / symgrad':>60s}   milliseconds")
    for layer in LAYERS:
        for dtype in ("float32" if letter == "f" else "float64" for letter in chosen.types):
            works = contenders(layer, dtype)
            for part in PARTS:
                found = measuring.race({name: work[part] for name, work in works.items()}, chosen.rounds)
                own = found["symgrad"]
                label = f"{layer}, {dtype}, {part}"
                figures[label] = found
                ratios = "  ".join(f"{name} {value / own:5.2f}" for name, value in found.items() if name != "symgrad")
                times = "  ".join(f"{name} {value:7.2f}" for name, value in found.items())
                print(f"{label:58s} {ratios}   {times}   {layer.flops / own / 1e6:6.1f} GFLOP/s", flush=True)
    versions = measuring.versions("numpy", "jax", "torch", "llvmlite")
    print(versions)
    measuring.save(chosen.json, milliseconds=figures, **versions)


if __name__ == "__main__":
    main()
