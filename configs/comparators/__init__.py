"""Configs of the compared methods: closed form, fitted in one or two passes; trained rivals stand beside their systems.

Each holds the constants that were chosen on validation items of the Wikipedia features and, in `grid`, the candidates:
one tuple of values per searched field of `model`, and `standardise` where the features' form is searched too. An empty
tuple leaves a field as it is.
"""
