"""What moves in a notebook: the explorer, and the slider between two pictures."""
