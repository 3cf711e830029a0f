"""Lowering: a graph of array operations becomes loops over scalar operations.

``canonical`` prepares the graph, ``partition`` decides what is stored and which results share a loop nest,
``access`` and ``instances`` write every stored element as a scalar program of its index, ``nest`` orders that program
into loops, ``buffers`` lays out memory, and ``emit`` turns loops into vector code.
"""
