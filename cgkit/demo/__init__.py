"""Procedural landscapes: scenes drawn from a seed, each painted in summer or winter at any size.

The arithmetic is limited to what IEEE 754 fixes to the last bit (`+ - * /`, square roots, comparisons), so that a scene
is the same picture on every machine: no sines, no powers, no matrix products.
"""
