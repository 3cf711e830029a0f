"""Names of other libraries' NumPy functions, which docs/numpy.md counts: read from their published packages.

autograd 1.9.1, `autograd/numpy/numpy_vjps.py`: names with a derivative, and names evaluated without one; its own helpers
and what NumPy 2 no longer has (`msort`) are left out.  jax 0.7.2, `jax/numpy/__init__.py`, `linalg.py` and `fft.py`: names
that are functions of NumPy.
"""

from __future__ import annotations

AUTOGRAD_DERIVATIVES = tuple(
    f"{space}.{name}"
    for space, names in (
        (
            "np",
            "abs absolute add amax amin angle arccos arccosh arcsin arcsinh arctan arctan2 arctanh "
            "array_split atleast_1d atleast_2d atleast_3d broadcast_to clip concatenate conj conjugate cos "
            "cosh cross cumsum deg2rad degrees diag diagonal diff divide dot dsplit einsum exp exp2 "
            "expand_dims expm1 fabs fliplr flipud fmax fmin full gradient hsplit hypot imag inner kron "
            "linspace log log10 log1p log2 logaddexp logaddexp2 matmul max maximum mean min minimum mod "
            "moveaxis multiply nan_to_num negative outer pad partition power prod rad2deg radians ravel real "
            "real_if_close reciprocal remainder repeat reshape roll rollaxis rot90 sin sinc sinh sort split "
            "sqrt square squeeze std subtract sum swapaxes tan tanh tensordot tile trace transpose tril triu "
            "true_divide var vsplit where",
        ),
    )
    for name in names.split()
)
AUTOGRAD_VALUES = tuple(
    f"{space}.{name}"
    for space, names in (
        (
            "np",
            "all allclose any argmax argmin argpartition argsort argwhere around array_equal array_equiv ceil "
            "count_nonzero empty_like equal fix flatnonzero floor floor_divide full_like greater "
            "greater_equal isclose iscomplex iscomplexobj isfinite isinf isnan isneginf isposinf isreal "
            "isscalar less less_equal logical_and logical_not logical_or logical_xor ndim nonzero not_equal "
            "ones_like result_type rint round searchsorted shape sign size trunc zeros_like",
        ),
    )
    for name in names.split()
)
JAX = tuple(
    f"{space}.{name}"
    for space, names in (
        (
            "np",
            "abs absolute acos acosh add all allclose amax amin angle any append apply_along_axis "
            "apply_over_axes arange arccos arccosh arcsin arcsinh arctan arctan2 arctanh argmax argmin "
            "argpartition argsort argwhere around array array_equal array_equiv array_repr array_split "
            "array_str asarray asin asinh astype atan atan2 atanh atleast_1d atleast_2d atleast_3d average "
            "bartlett bincount bitwise_and bitwise_count bitwise_invert bitwise_left_shift bitwise_not "
            "bitwise_or bitwise_right_shift bitwise_xor blackman block broadcast_arrays broadcast_shapes "
            "broadcast_to can_cast cbrt ceil choose clip column_stack compress concat concatenate conj "
            "conjugate convolve copy copysign corrcoef correlate cos cosh count_nonzero cov cross cumprod "
            "cumsum cumulative_prod cumulative_sum deg2rad degrees delete diag diag_indices diag_indices_from "
            "diagflat diagonal diff digitize divide divmod dot dsplit dstack ediff1d einsum einsum_path empty "
            "empty_like equal exp exp2 expand_dims expm1 extract eye fabs fill_diagonal fix flatnonzero flip "
            "fliplr flipud float_power floor floor_divide fmax fmin fmod frexp from_dlpack frombuffer "
            "fromfile fromfunction fromiter frompyfunc fromstring full full_like gcd geomspace "
            "get_printoptions gradient greater greater_equal hamming hanning heaviside histogram histogram2d "
            "histogram_bin_edges histogramdd hsplit hstack hypot i0 identity imag indices inner insert interp "
            "intersect1d invert isclose iscomplex iscomplexobj isdtype isfinite isin isinf isnan isneginf "
            "isposinf isreal isrealobj isscalar issubdtype iterable ix_ kaiser kron lcm ldexp left_shift less "
            "less_equal lexsort linspace load log log10 log1p log2 logaddexp logaddexp2 logical_and "
            "logical_not logical_or logical_xor logspace mask_indices matmul matrix_transpose matvec max "
            "maximum mean median meshgrid min minimum mod modf moveaxis multiply nan_to_num nanargmax "
            "nanargmin nancumprod nancumsum nanmax nanmean nanmedian nanmin nanpercentile nanprod nanquantile "
            "nanstd nansum nanvar ndim negative nextafter nonzero not_equal ones ones_like outer packbits pad "
            "partition percentile permute_dims piecewise place poly polyadd polyder polydiv polyfit polyint "
            "polymul polysub polyval positive pow power printoptions prod promote_types ptp put "
            "put_along_axis quantile rad2deg radians ravel ravel_multi_index real reciprocal remainder repeat "
            "reshape resize result_type right_shift rint roll rollaxis roots rot90 round save savez "
            "searchsorted select set_printoptions setdiff1d setxor1d shape sign signbit sin sinc sinh size "
            "sort sort_complex spacing split sqrt square squeeze stack std subtract sum swapaxes take "
            "take_along_axis tan tanh tensordot tile trace transpose trapezoid tri tril tril_indices "
            "tril_indices_from trim_zeros triu triu_indices triu_indices_from true_divide trunc union1d "
            "unique unique_all unique_counts unique_inverse unique_values unpackbits unravel_index unstack "
            "unwrap vander var vdot vecdot vecmat vsplit vstack where zeros zeros_like",
        ),
        (
            "np.linalg",
            "cholesky cond cross det diagonal eig eigh eigvals eigvalsh inv lstsq matmul matrix_norm "
            "matrix_power matrix_rank matrix_transpose multi_dot norm outer pinv qr slogdet solve svd svdvals "
            "tensordot tensorinv tensorsolve trace vecdot vector_norm",
        ),
        (
            "np.fft",
            "fft fft2 fftfreq fftn fftshift hfft ifft ifft2 ifftn ifftshift ihfft irfft irfft2 irfftn rfft "
            "rfft2 rfftfreq rfftn",
        ),
    )
    for name in names.split()
)
