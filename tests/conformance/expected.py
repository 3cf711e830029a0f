"""Tests of the array API's own suite that symgrad fails or does not finish, each with its reason out of a closed set."""

from __future__ import annotations

__all__ = ["EXPECTED", "PINNED", "REASONS"]

REASONS = {
    "complex": "there are no complex numbers",
    "values decide shape": "the size of the result depends on values, which an expression does not have",
    "mutation": "an expression is not changed in place: x.at[i].set(v) makes a changed one",
    "scalars have no items": "a scalar is no sequence: x[()], x[...] and x[None] of one are errors",
    "refused factorisation": "eigenvalues, QR, ranks, and singular vectors that a matrix does not determine are refused",
}
EXPECTED = {
    "test_array_object.py::test_getitem": "scalars have no items",
    "test_array_object.py::test_getitem_masking": "values decide shape",
    "test_array_object.py::test_setitem": "mutation",
    "test_array_object.py::test_setitem_masking": "mutation",
    "test_creation_functions.py::test_asarray_arrays": "mutation",
    "test_data_type_functions.py::test_astype": "mutation",
    "test_inspection_functions.py::test_array_namespace_info": "complex",
    "test_linalg.py::test_eigh": "refused factorisation",
    "test_linalg.py::test_eigvalsh": "refused factorisation",
    "test_linalg.py::test_matrix_rank": "refused factorisation",
    "test_linalg.py::test_pinv": "refused factorisation",
    "test_linalg.py::test_qr": "refused factorisation",
    "test_linalg.py::test_svd": "refused factorisation",
    "test_linalg.py::test_vecdot_conj": "complex",
    "test_manipulation_functions.py::test_repeat": "values decide shape",
    "test_searching_functions.py::test_nonzero": "values decide shape",
}
# The suite has no releases: the modules that the figures of docs/numpy.md are of, by the ids of their contents in git.
PINNED = {
    "test_array_object.py": "7ed3809b89de2ebc85bbf008d1a96180fbd44f1f",
    "test_constants.py": "01bc54569d378f56127052442bde6ad69b2be73a",
    "test_creation_functions.py": "b8a5fa9546af4e168d7449e8e8578c859e22ebbb",
    "test_data_type_functions.py": "c734f7bd01dc154d8aeed11c74aa6ed78b44a72f",
    "test_has_names.py": "8e93478179f23490d85f80ac60349575b2ff2a73",
    "test_indexing_functions.py": "7b8c876352fcbf02d70011e6c0f925aa4da7791b",
    "test_inspection_functions.py": "eaac0276aaf2f1c725c9567428274467175d126f",
    "test_linalg.py": "87a7652f90e38192b3b3b953affe1cedeba22bae",
    "test_manipulation_functions.py": "59ddd6e4ab12f9649d8d7341c5bfaad83ddacda1",
    "test_operators_and_elementwise_functions.py": "aeedc3d7126957fc356d2c4f4f7d3ed00c078537",
    "test_searching_functions.py": "0d603d68b870a477a1a8f9297359a27d3750fe34",
    "test_signatures.py": "dc0df977a6ff1ee771f761c7b241e70c5a726229",
    "test_sorting_functions.py": "f148a1a6c9eda5f62515bf43632f0ca8a8373c77",
    "test_statistical_functions.py": "29f8adbeb569ca33bf0a2ba91680203dd7fa6de3",
    "test_utility_functions.py": "38ecf450141bbda9746b1b432dea4b3842b507bd",
}
