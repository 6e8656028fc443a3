"""`python -m benchmarks` (or `make bench`): sweeps against plain loops of `pipe()` calls.

Both draw the same pictures in one process, one after the other in alternating order, several
rounds; a figure is the median of the rounds' ratios, so that a computer that slows down for a
while slows both. What is compared is checked: the pictures are subtracted from one another.
"""
