"""Procedural landscapes: scenes generated from a seed, painted in summer or winter at any size.

The arithmetic is limited to operations whose results IEEE 754 defines to the last bit (`+ - * /`, square roots and
comparisons, but no sines, powers or matrix products), so that a scene gives the same picture on every machine.
"""
