"""Sweeps: pictures of every combination of settings, in a grid and in a folder."""
