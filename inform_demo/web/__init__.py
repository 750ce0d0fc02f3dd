"""Between the open internet and the page: who may ask, how much, how it is watched, and how it stops.

Knows requests, addresses, limits and signals; knows nothing of rewards or layout.
"""
