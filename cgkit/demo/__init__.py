"""The painter of procedural landscapes: scenes drawn from a seed, each painted in any season at any size.

The arithmetic is limited to what IEEE 754 fixes to the last bit (`+ - * /`, square roots, comparisons): a scene is the
same picture on every machine. So there are no sines and no matrix products here.
"""
