"""Models: which there are, how one is found, loaded and put where there is memory for it."""
