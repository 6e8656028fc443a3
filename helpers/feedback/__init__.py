"""Ratings of pictures: the database that a class writes to, and its files."""
