"""NumPy functions on expressions: one row per call, which NumPy runs on arrays and symgrad on symbols.

NumPy is the judge of values (of compiled code, in both floating types, and of a loop over a batch), finite differences
of derivatives.
"""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

import numpy as np
import pytest
from comparing import assert_same

import symgrad as sg
from symgrad.functions import (
    creation,
    differences,
    joining,
    matrices,
    padding,
    quantiles,
    rearrange,
    reductions,
    selection,
    sorting,
)


class Row(NamedTuple):
    """A call, the shapes of its arguments, and whether its derivatives are compared with differences."""

    call: Any
    shapes: tuple[tuple[int, ...], ...] = ((3, 4),)
    smooth: bool = True


V, M, T, S, L = (5,), (3, 4), (2, 3, 4), (4, 4), (40,)
MASK = np.array([[True, False, True, True], [False, False, True, False], [True, True, True, True]])
PICK = np.array([[2, 0, 1, 1], [0, 0, 2, 1], [1, 2, 2, 0]])
WEIGHTS = np.array([0.5, 1.0, 2.0, 0.25])
HOLES = np.array([[np.nan, 1, 1, 1], [1, np.nan, np.nan, 1], [1, 1, 1, 1]])


def holes(x):
    """The array with NaN at some places, which the functions for NaN skip."""
    return np.where(np.isnan(HOLES), np.nan, x)


REDUCTIONS = {
    "sum": Row(lambda x: np.sum(x)),
    "sum_axis": Row(lambda x: np.sum(x, axis=-1)),
    "sum_axes": Row(lambda x: np.sum(x, axis=(0, -1), keepdims=True), (T,)),
    "sum_where": Row(lambda x: np.sum(x, axis=0, where=MASK)),
    "sum_initial": Row(lambda x: np.sum(x, axis=1, initial=2.5)),
    "sum_no_axes": Row(lambda x: np.sum(x, axis=())),
    "sum_of_integers": Row(lambda x: np.sum(x > 0, axis=0), smooth=False),
    "sum_dtype": Row(lambda x: np.sum(x, dtype=np.float64)),
    "prod": Row(lambda x: np.prod(x, axis=1)),
    "prod_where": Row(lambda x: np.prod(x, axis=1, where=MASK, initial=0.5)),
    "mean": Row(lambda x: np.mean(x, axis=(0, 2)), (T,)),
    "mean_where": Row(lambda x: np.mean(x, axis=1, where=MASK, keepdims=True)),
    "average": Row(lambda x: np.average(x, axis=0)),
    "average_weights": Row(lambda x: np.average(x, axis=1, weights=WEIGHTS.astype(np.float32))),
    "average_own_weights": Row(lambda x, w: np.average(x, axis=0, weights=w * w + 1), (M, M)),
    "average_returned": Row(lambda x, w: np.average(x, axis=-1, weights=w * w + 1, returned=True), (M, (4,))),
    "var": Row(lambda x: np.var(x, axis=0)),
    "var_ddof": Row(lambda x: np.var(x, axis=(0, 1), ddof=1, keepdims=True)),
    "var_where": Row(lambda x: np.var(x, axis=1, where=MASK, ddof=0)),
    "std": Row(lambda x: np.std(x)),
    "std_ddof": Row(lambda x: np.std(x, axis=1, ddof=1)),
    "std_long": Row(lambda x: np.std(x), (L,)),
    "max": Row(lambda x: np.max(x, axis=0)),
    "max_initial": Row(lambda x: np.max(x, axis=1, initial=0.25)),
    "max_where": Row(lambda x: np.max(x, axis=1, where=MASK, initial=-9.0)),
    "amax": Row(lambda x: np.amax(x, axis=1)),
    "amin": Row(lambda x: np.amin(x, axis=(0, 1))),
    "min_keepdims": Row(lambda x: np.min(x, axis=1, keepdims=True)),
    "ptp": Row(lambda x: np.ptp(x, axis=1)),
    "any": Row(lambda x: np.any(x > 1, axis=0), smooth=False),
    "all": Row(lambda x: np.all(x > -1, axis=1, where=MASK), smooth=False),
    "count_nonzero": Row(lambda x: np.count_nonzero(x > 0, axis=1, keepdims=True), smooth=False),
    "argmax": Row(lambda x: np.argmax(x), smooth=False),
    "argmax_axis": Row(lambda x: np.argmax(x, axis=0, keepdims=True), smooth=False),
    "argmin": Row(lambda x: np.argmin(x, axis=-1), (T,), smooth=False),
    "nansum": Row(lambda x: np.nansum(holes(x), axis=0)),
    "nanprod": Row(lambda x: np.nanprod(holes(x), axis=1)),
    "nanmean": Row(lambda x: np.nanmean(holes(x), axis=1, keepdims=True)),
    "nanmax": Row(lambda x: np.nanmax(holes(x), axis=0)),
    "nanmin": Row(lambda x: np.nanmin(holes(x))),
    "nanvar": Row(lambda x: np.nanvar(holes(x), axis=1)),
    "nanstd": Row(lambda x: np.nanstd(holes(x), axis=1, ddof=1)),
    "nanargmax": Row(lambda x: np.nanargmax(holes(x), axis=1), smooth=False),
    "nanargmin": Row(lambda x: np.nanargmin(holes(x)), smooth=False),
    "nanmedian": Row(lambda x: np.nanmedian(holes(x), axis=1)),
    "nanquantile": Row(lambda x: np.nanquantile(holes(x), [0.25, 0.5], axis=0)),
    "nanpercentile": Row(lambda x: np.nanpercentile(holes(x), 30, axis=1, keepdims=True)),
    "add_reduce": Row(lambda x: np.add.reduce(x)),
    "add_reduce_all": Row(lambda x: np.add.reduce(x, axis=None)),
    "multiply_reduce": Row(lambda x: np.multiply.reduce(x, axis=1, keepdims=True)),
    "maximum_reduce": Row(lambda x: np.maximum.reduce(x, axis=(0, 1))),
    "minimum_reduce": Row(lambda x: np.minimum.reduce(x, initial=0.0)),
    "add_accumulate": Row(lambda x: np.add.accumulate(x)),
    "multiply_accumulate": Row(lambda x: np.multiply.accumulate(x, axis=1)),
    "maximum_accumulate": Row(lambda x: np.maximum.accumulate(x, axis=1)),
    "minimum_accumulate": Row(lambda x: np.minimum.accumulate(x), (L,)),
    "add_outer": Row(lambda x, y: np.add.outer(x, y), (M, V)),
    "multiply_outer": Row(lambda x, y: np.multiply.outer(x, y), (V, V)),
}
NORMS = {
    "norm": Row(lambda x: np.linalg.norm(x), (T,)),
    "norm_of_vectors": Row(lambda x: np.linalg.norm(x, axis=-1)),
    "norm_vector_1": Row(lambda x: np.linalg.norm(x, 1), (V,)),
    "norm_vector_2": Row(lambda x: np.linalg.norm(x, 2, axis=0)),
    "norm_vector_3": Row(lambda x: np.linalg.norm(x, 3, axis=1, keepdims=True)),
    "norm_vector_half": Row(lambda x: np.linalg.norm(x, 0.5), (V,)),
    "norm_vector_inf": Row(lambda x: np.linalg.norm(x, np.inf, axis=0)),
    "norm_vector_minus_inf": Row(lambda x: np.linalg.norm(x, -np.inf), (V,)),
    "norm_vector_0": Row(lambda x: np.linalg.norm(x, 0), (V,), smooth=False),
    "norm_vector_minus_2": Row(lambda x: np.linalg.norm(x, -2), (V,)),
    "norm_fro": Row(lambda x: np.linalg.norm(x, "fro")),
    "norm_1": Row(lambda x: np.linalg.norm(x, 1)),
    "norm_minus_1": Row(lambda x: np.linalg.norm(x, -1, axis=(2, 0)), (T,)),
    "norm_inf": Row(lambda x: np.linalg.norm(x, np.inf, axis=(0, 2), keepdims=True), (T,)),
    "norm_minus_inf": Row(lambda x: np.linalg.norm(x, -np.inf)),
}
ORDER = {
    "sort": Row(lambda x: np.sort(x)),
    "sort_axis": Row(lambda x: np.sort(x, axis=0)),
    "sort_flat": Row(lambda x: np.sort(x, axis=None)),
    "sort_long": Row(lambda x: np.sort(x), (L,)),
    "argsort": Row(lambda x: np.argsort(x, axis=0), smooth=False),
    "argsort_flat": Row(lambda x: np.argsort(x, axis=None, kind="stable"), smooth=False),
    "partition": Row(lambda x: np.partition(x, 2, axis=1)[:, 2]),
    "argpartition": Row(lambda x: np.take_along_axis(x, np.argpartition(x, 1, axis=0), 0)[1]),
    "median": Row(lambda x: np.median(x)),
    "median_even": Row(lambda x: np.median(x, axis=1, keepdims=True)),
    "median_odd": Row(lambda x: np.median(x, axis=0)),
    "median_axes": Row(lambda x: np.median(x, axis=(0, 2)), (T,)),
    "median_nan": Row(lambda x: np.median(holes(x), axis=1), smooth=False),
    "quantile": Row(lambda x: np.quantile(x, 0.3)),
    "quantile_several": Row(lambda x: np.quantile(x, [0.1, 0.5, 1.0], axis=1)),
    "quantile_matrix": Row(lambda x: np.quantile(x, [[0.1], [0.9]], axis=0, keepdims=True)),
    "percentile": Row(lambda x: np.percentile(x, 62.5, axis=1), (T,)),
    **{
        f"quantile_{method}": Row(lambda x, method=method: np.quantile(x, 0.37, axis=0, method=method), (L,))
        for method in (
            "lower", "higher", "midpoint", "nearest", "hazen", "weibull", "median_unbiased", "normal_unbiased",
            "inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf",
        )
    },
    "searchsorted": Row(lambda x, v: np.searchsorted(np.sort(x), v), (L, M), smooth=False),
    "searchsorted_right": Row(lambda v: np.searchsorted(np.array([-1.0, 0.0, 0.5]), v, side="right"), smooth=False),
    "searchsorted_sorter": Row(lambda x, v: np.searchsorted(x, v, sorter=np.argsort(x)), (V, V), smooth=False),
    "digitize": Row(lambda x: np.digitize(x, [-0.5, 0.0, 0.7]), smooth=False),
    "digitize_falling": Row(lambda x: np.digitize(x, [0.7, 0.0, -0.5], right=True), smooth=False),
}  # fmt: skip
DIFFERENCES = {
    "cumsum": Row(lambda x: np.cumsum(x)),
    "cumsum_axis": Row(lambda x: np.cumsum(x, axis=0)),
    "cumsum_last": Row(lambda x: np.cumsum(x, axis=-1), (T,)),
    "cumsum_long": Row(lambda x: np.cumsum(x), (L,)),
    "cumsum_of_integers": Row(lambda x: np.cumsum(x > 0, axis=1), smooth=False),
    "cumprod": Row(lambda x: np.cumprod(x, axis=1)),
    "cumprod_flat": Row(lambda x: np.cumprod(x)),
    "nancumsum": Row(lambda x: np.nancumsum(holes(x), axis=0)),
    "nancumprod": Row(lambda x: np.nancumprod(holes(x), axis=1)),
    "diff": Row(lambda x: np.diff(x)),
    "diff_twice": Row(lambda x: np.diff(x, n=2, axis=0)),
    "diff_none": Row(lambda x: np.diff(x, n=0)),
    "diff_ends": Row(lambda x, y: np.diff(x, prepend=0.5, append=y), (M, (3, 2))),
    "diff_too_often": Row(lambda x: np.diff(x, n=7), smooth=False),
    "diff_of_truths": Row(lambda x: np.diff(x > 0), smooth=False),
    "ediff1d": Row(lambda x: np.ediff1d(x, to_end=1.5, to_begin=[0.5, 2.0])),
    "gradient": Row(lambda x: np.gradient(x), (L,)),
    "gradient_spacing": Row(lambda x: np.gradient(x, 0.25, axis=1)),
    "gradient_axes": Row(lambda x: np.gradient(x, 0.5, 2.0)),
    "gradient_order_2": Row(lambda x: np.gradient(x, 0.5, axis=-1, edge_order=2)),
    "gradient_uneven": Row(lambda x: np.gradient(x, np.array([0.0, 0.5, 2.0]), axis=0)),
    "gradient_uneven_order_2": Row(lambda x: np.gradient(x, np.array([0.0, 0.5, 2.0]), axis=0, edge_order=2)),
    "trapezoid": Row(lambda y: np.trapezoid(y)),
    "trapezoid_dx": Row(lambda y: np.trapezoid(y, dx=0.25, axis=0)),
    "trapezoid_points": Row(lambda y, x: np.trapezoid(y, x, axis=0), (M, (3,))),
    "trapezoid_all_points": Row(lambda y, x: np.trapezoid(y, x), (M, M)),
}
REARRANGED = {
    "moveaxis": Row(lambda x: np.moveaxis(x, 0, -1), (T,)),
    "moveaxes": Row(lambda x: np.moveaxis(x, [0, 2], [1, 0]), (T,)),
    "swapaxes": Row(lambda x: np.swapaxes(x, -1, 0), (T,)),
    "rollaxis": Row(lambda x: np.rollaxis(x, 2), (T,)),
    "rollaxis_back": Row(lambda x: np.rollaxis(x, 0, 3), (T,)),
    "transpose": Row(lambda x: np.transpose(x, (1, 2, 0)), (T,)),
    "ravel": Row(lambda x: np.ravel(x), (T,)),
    "reshape": Row(lambda x: np.reshape(x, (2, -1))),
    "flip": Row(lambda x: np.flip(x)),
    "flip_axis": Row(lambda x: np.flip(x, (0, -1)), (T,)),
    "fliplr": Row(lambda x: np.fliplr(x)),
    "flipud": Row(lambda x: np.flipud(x)),
    **{f"rot90_{k}": Row(lambda x, k=k: np.rot90(x, k)) for k in (-1, 0, 1, 2, 3)},
    "rot90_axes": Row(lambda x: np.rot90(x, 1, (2, 0)), (T,)),
    "roll": Row(lambda x: np.roll(x, 5)),
    "roll_axis": Row(lambda x: np.roll(x, -1, axis=1)),
    "roll_axes": Row(lambda x: np.roll(x, (1, 2), axis=(0, 1))),
    "roll_one_shift": Row(lambda x: np.roll(x, 1, axis=(0, 1))),
    "tile": Row(lambda x: np.tile(x, 2)),
    "tile_more": Row(lambda x: np.tile(x, (2, 1, 3))),
    "tile_fewer": Row(lambda x: np.tile(x, (2,)), (T,)),
    "repeat": Row(lambda x: np.repeat(x, 2)),
    "repeat_axis": Row(lambda x: np.repeat(x, 3, axis=0)),
    "repeat_counts": Row(lambda x: np.repeat(x, [1, 0, 2, 3], axis=1)),
    "resize": Row(lambda x: np.resize(x, (5, 3))),
    "resize_smaller": Row(lambda x: np.resize(x, 7)),
    "expand_dims": Row(lambda x: np.expand_dims(x, (0, -1))),
    "squeeze": Row(lambda x: np.squeeze(x, 1), ((3, 1, 4),)),
    "broadcast_to": Row(lambda x: np.broadcast_to(x, (2, 3, 4))),
    "broadcast_arrays": Row(lambda x, y: np.broadcast_arrays(x, y), (M, (3, 1))),
    "atleast_1d": Row(lambda x, y: np.atleast_1d(x, y), ((), V)),
    "atleast_2d": Row(lambda x, y: np.atleast_2d(x, y), ((), V)),
    "atleast_3d": Row(lambda x, y: np.atleast_3d(x, y), (V, M)),
    "copy": Row(lambda x: np.copy(x)),
}
JOINED = {
    "concatenate": Row(lambda x, y: np.concatenate([x, y], axis=1), (M, (3, 2))),
    "concatenate_flat": Row(lambda x, y: np.concatenate((x, y), axis=None), (M, V)),
    "stack": Row(lambda x, y: np.stack([x, y], axis=-1), (M, M)),
    "hstack": Row(lambda x, y: np.hstack([x, y]), (M, (3, 2))),
    "hstack_vectors": Row(lambda x, y: np.hstack([x, y, 1.5]), (V, ())),
    "vstack": Row(lambda x, y: np.vstack([x, y]), (M, (4,))),
    "dstack": Row(lambda x, y: np.dstack([x, y]), (M, M)),
    "column_stack": Row(lambda x, y: np.column_stack([x, y]), ((3,), M)),
    "block": Row(lambda x, y: np.block([[x, np.zeros((3, 2))], [np.ones((2, 4)), y]]), (M, (2, 2))),
    "block_flat": Row(lambda x, y: np.block([x, y]), (V, V)),
    "split": Row(lambda x: np.split(x, 2, axis=1)),
    "split_at": Row(lambda x: np.split(x, [1, 1, 3], axis=1)),
    "array_split": Row(lambda x: np.array_split(x, 3, axis=1)),
    "hsplit": Row(lambda x: np.hsplit(x, 2)),
    "vsplit": Row(lambda x: np.vsplit(x, 3)),
    "dsplit": Row(lambda x: np.dsplit(x, [1]), (T,)),
    "append": Row(lambda x, y: np.append(x, y), (M, V)),
    "append_axis": Row(lambda x, y: np.append(x, y, axis=0), (M, (1, 4))),
    "insert": Row(lambda x: np.insert(x, 1, 5.0, axis=1)),
    "insert_row": Row(lambda x, y: np.insert(x, 2, y, axis=0), (M, (4,))),
    "insert_several": Row(lambda x, y: np.insert(x, [0, 2, 2], y, axis=1), (M, (3, 3))),
    "insert_flat": Row(lambda x: np.insert(x, [1, -1], [7.0, 8.0])),
    "delete": Row(lambda x: np.delete(x, 1, axis=0)),
    "delete_several": Row(lambda x: np.delete(x, [0, -1], axis=1)),
    "delete_slice": Row(lambda x: np.delete(x, slice(None, None, 2))),
}
MATRICES = {
    "diag": Row(lambda x: np.diag(x), (V,)),
    "diag_above": Row(lambda x: np.diag(x, 2), (V,)),
    "diag_below": Row(lambda x: np.diag(x, -1), (V,)),
    "diag_of_matrix": Row(lambda x: np.diag(x, 1)),
    "diagflat": Row(lambda x: np.diagflat(x, -2)),
    "diagonal": Row(lambda x: np.diagonal(x)),
    "diagonal_axes": Row(lambda x: np.diagonal(x, offset=-1, axis1=2, axis2=0), (T,)),
    "trace": Row(lambda x: np.trace(x), (S,)),
    "trace_offset": Row(lambda x: np.trace(x, 1, 1, 2), (T,)),
    "tril": Row(lambda x: np.tril(x)),
    "triu": Row(lambda x: np.triu(x, 1), (T,)),
    "tril_of_vector": Row(lambda x: np.tril(x, -1), (V,)),
    "meshgrid": Row(lambda x, y: np.meshgrid(x, y), (V, (3,))),
    "meshgrid_ij": Row(lambda x, y, z: np.meshgrid(x, y, z, indexing="ij", sparse=True), (V, (3,), (2,))),
    "vander": Row(lambda x: np.vander(x, 4), (V,)),
    "vander_increasing": Row(lambda x: np.vander(x, increasing=True), ((3,),)),
}
PADDED = {
    "pad": Row(lambda x: np.pad(x, 1)),
    "pad_constant": Row(lambda x: np.pad(x, ((1, 2), (0, 3)), constant_values=1.5)),
    "pad_constants": Row(lambda x: np.pad(x, (2, 1), constant_values=((1, 2), (3, 4)))),
    "pad_edge": Row(lambda x: np.pad(x, ((3, 0), (1, 2)), mode="edge")),
    "pad_reflect": Row(lambda x: np.pad(x, ((5, 7), (2, 1)), mode="reflect")),
    "pad_symmetric": Row(lambda x: np.pad(x, ((5, 7), (2, 1)), mode="symmetric")),
    "pad_wrap": Row(lambda x: np.pad(x, ((5, 7), (2, 1)), mode="wrap")),
    "pad_linear_ramp": Row(lambda x: np.pad(x, (3, 2), mode="linear_ramp", end_values=(2.0, -1.0))),
    "pad_mean": Row(lambda x: np.pad(x, ((2, 1), (1, 1)), mode="mean")),
    "pad_mean_length": Row(lambda x: np.pad(x, 2, mode="mean", stat_length=2)),
    "pad_maximum": Row(lambda x: np.pad(x, 2, mode="maximum", stat_length=((1, 2), (3, 2)))),
    "pad_minimum": Row(lambda x: np.pad(x, 2, mode="minimum")),
    "pad_median": Row(lambda x: np.pad(x, 1, mode="median"), (V,)),
}
CREATED = {
    "zeros_like": Row(lambda x: np.zeros_like(x), smooth=False),
    "ones_like": Row(lambda x: np.ones_like(x, dtype="int32"), smooth=False),
    "full_like": Row(lambda x: np.full_like(x, 2.5, shape=(2,)), smooth=False),
    "empty_like": Row(lambda x: np.empty_like(x) * 0 + 0.0 * x, smooth=False),
    "linspace": Row(lambda x, y: np.linspace(x, y, 7, axis=1), (M, M)),
    "linspace_open": Row(lambda x: np.linspace(0.0, x, 5, endpoint=False, retstep=True), (V,)),
    "linspace_one": Row(lambda x: np.linspace(x, 3.0, 1), (V,)),
    "linspace_of_integers": Row(lambda x: np.linspace(x, 3.0, 4, dtype="int64"), (V,), smooth=False),
    "logspace": Row(lambda x: np.logspace(0.0, x, 4, base=2.0), (V,)),
    "geomspace": Row(lambda x: np.geomspace(x * x + 1, 9.0, 5), (V,)),
}
CHOSEN = {
    "where": Row(lambda x, y: np.where(x > y, x * x, y), (M, M)),
    "clip": Row(lambda x: np.clip(x, -0.5, 0.5)),
    "clip_above": Row(lambda x: np.clip(x, None, 0.5)),
    "select": Row(lambda x: np.select([x < -0.5, x < 0.5], [x * 2, x**2], default=7.0)),
    "choose": Row(lambda x, y: np.choose(PICK % 2, [x, y]), (M, M)),
    "choose_clip": Row(lambda x, y: np.choose(PICK - 1, [x, y], mode="clip"), (M, M)),
    "choose_wrap": Row(lambda x, y: np.choose(PICK * 3 - 4, [x, y], mode="wrap"), (M, M)),
    "piecewise": Row(lambda x: np.piecewise(x, [x < -0.3, x > 0.4], [lambda v: v * v, np.exp, 3.0]), (V,)),
    "piecewise_zero": Row(lambda x: np.piecewise(x, [x < -0.3], [np.sin]), (V,)),
    "take": Row(lambda x: np.take(x, [[3, 0], [-1, 2]], axis=1)),
    "take_flat": Row(lambda x: np.take(x, [5, 11, -3])),
    "take_one": Row(lambda x: np.take(x, 1, axis=0)),
    "take_clip": Row(lambda x: np.take(x, [9, -9, 1], axis=0, mode="clip")),
    "take_wrap": Row(lambda x: np.take(x, [9, -9, 1], axis=1, mode="wrap")),
    "take_along_axis": Row(lambda x: np.take_along_axis(x, PICK, axis=0)),
    "take_along_sorted": Row(lambda x: np.take_along_axis(x, np.argsort(x, axis=1), axis=1)),
    "compress": Row(lambda x: np.compress([True, False, True], x, axis=0)),
    "extract": Row(lambda x: np.extract(MASK, x)),
    "mask": Row(lambda x: x[MASK]),
    "interp": Row(lambda x, f: np.interp(x, np.array([-1.0, 0.0, 0.25, 1.5]), f), (L, (4,))),
    "interp_points": Row(lambda x, p, f: np.interp(x, np.sort(p), f, left=-3.0, right=5.0), (M, V, V)),
    "interp_periodic": Row(lambda x: np.interp(x, [0.1, 0.4, 0.9], [1.0, 2.0, 0.5], period=1.0), (L,)),
}
METHODS = {
    "m_sum": Row(lambda x: x.sum(axis=1, keepdims=True)),
    "m_prod": Row(lambda x: x.prod(0)),
    "m_mean": Row(lambda x: x.mean(axis=(0, 1))),
    "m_std": Row(lambda x: x.std(axis=1, ddof=1)),
    "m_var": Row(lambda x: x.var()),
    "m_max": Row(lambda x: x.max(axis=-1)),
    "m_min": Row(lambda x: x.min()),
    "m_argmax": Row(lambda x: x.argmax(axis=1), smooth=False),
    "m_argmin": Row(lambda x: x.argmin(), smooth=False),
    "m_argsort": Row(lambda x: x.argsort(axis=0), smooth=False),
    "m_any": Row(lambda x: (x > 1).any(axis=0), smooth=False),
    "m_all": Row(lambda x: (x > -1).all(), smooth=False),
    "m_cumsum": Row(lambda x: x.cumsum(axis=0)),
    "m_cumprod": Row(lambda x: x.cumprod()),
    "m_clip": Row(lambda x: x.clip(-0.5, 0.5)),
    "m_dot": Row(lambda x, y: x.dot(y), (M, (4,))),
    "m_take": Row(lambda x: x.take([0, 2], axis=1)),
    "m_repeat": Row(lambda x: x.repeat(2, axis=0)),
    "m_swapaxes": Row(lambda x: x.swapaxes(0, 1)),
    "m_squeeze": Row(lambda x: x.squeeze(), ((1, 3, 1),)),
    "m_astype": Row(lambda x: x.astype("int64"), smooth=False),
    "m_round": Row(lambda x: x.round(), smooth=False),
    "m_trace": Row(lambda x: x.trace(1)),
    "m_diagonal": Row(lambda x: x.diagonal(-1)),
    "m_copy": Row(lambda x: x.copy()),
    "m_ravel": Row(lambda x: x.ravel()),
    "m_flatten": Row(lambda x: x.flatten()),
    "m_transpose": Row(lambda x: x.transpose(2, 0, 1), (T,)),
    "m_T": Row(lambda x: x.T, (T,)),
    "m_mT": Row(lambda x: x.mT, (T,)),
    "m_reshape": Row(lambda x: x.reshape(2, 6)),
    "m_compress": Row(lambda x: x.compress([False, True, True], axis=0)),
    "m_choose": Row(lambda x: (x > 0).astype("int64").choose([x, -x])),
    "m_searchsorted": Row(lambda x: x.cumsum().searchsorted(0.0), (V,), smooth=False),
    "m_facts": Row(lambda x: x * (x.size + x.ndim + x.itemsize - x.itemsize), (T,)),
}
ROWS = {
    **REDUCTIONS, **NORMS, **ORDER, **DIFFERENCES, **REARRANGED, **JOINED, **MATRICES, **PADDED, **CREATED, **CHOSEN, **METHODS,
}  # fmt: skip


def arrays_of(row, dtype="float64", seed=0):
    """Distinct values, none near a threshold of the rows."""
    rng = np.random.default_rng(seed)
    return [rng.uniform(-2, 2, shape).astype(dtype) for shape in row.shapes]


def parts(result):
    return list(result) if isinstance(result, (list, tuple)) else [result]


def compiled_parts(call, arrays):
    inputs = [sg.symbol(f"x{k}", a.shape, a.dtype) for k, a in enumerate(arrays)]
    return parts(sg.compile(tuple(parts(call(*inputs))), inputs)(*arrays))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ROWS)
def test_value(name, dtype):
    """Compiled code gives NumPy's value, shape and element type."""
    row = ROWS[name]
    arrays = arrays_of(row, dtype)
    want = parts(row.call(*arrays))
    got = compiled_parts(row.call, arrays)
    assert len(got) == len(want)
    for one, other in zip(got, want, strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("name", ROWS)
def test_vectorised(name):
    """Over a batch, against a loop of NumPy's own calls."""
    row = ROWS[name]
    batches = [np.stack(group) for group in zip(*(arrays_of(row, seed=k) for k in range(3)), strict=True)]
    got = parts(sg.vmap(lambda *xs: tuple(parts(row.call(*xs))))(*batches))
    rows = [parts(row.call(*(one[k] for one in batches))) for k in range(3)]
    for one, many in zip(got, zip(*rows, strict=True), strict=True):
        assert_same(one, np.stack(many))


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.smooth])
def test_derivatives(name):
    """Both modes, against finite differences."""
    row = ROWS[name]
    arrays = arrays_of(row)

    def total(*xs):
        return sum(np.sum(np.sin(part) * (1 + k)) for k, part in enumerate(parts(row.call(*xs))))

    sg.check_gradients(total, *arrays, order=1)


# -- what a table of values does not show ---------------------------------------------------------------------------
def test_every_function_is_called():
    """Each of NumPy's functions that expressions have is in a row, under its own name or an alias."""
    source = inspect.getsource(inspect.getmodule(test_every_function_is_called))
    modules = (creation, differences, joining, matrices, padding, quantiles, rearrange, reductions, selection, sorting)
    elsewhere = {"cumulative_prod", "cumulative_sum", "matrix_transpose", "unstack", "unwrap"}
    names = [name for module in modules for name in module.__all__ if name not in elsewhere]
    assert [name for name in names if f"np.{name}(" not in source] == []


@pytest.mark.parametrize(
    "function",
    [np.tril, np.triu, np.diag, np.diagflat, np.maximum.accumulate, np.minimum.accumulate],
    ids=lambda one: getattr(one, "__qualname__", one.__name__),
)
@pytest.mark.parametrize("shape", [(4,), (3, 4)])
def test_booleans_stay_booleans(function, shape):
    array = np.random.default_rng(3).random(shape) < 0.5
    x = sg.symbol("x", shape, dtype="bool")
    want = function(array)
    got = sg.compile(function(x), [x])(array)
    assert got.dtype == want.dtype == bool
    np.testing.assert_array_equal(got, want)
