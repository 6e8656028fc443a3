"""The course itself: exercises, their checks, progress, and the look at a computer."""
