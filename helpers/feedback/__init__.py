"""Ratings of pictures, which a whole class writes to one database.

rating.py    a rating, and what its values may be
database.py  the database's file: its schema, how it is opened
store.py     `Feedback`: ratings and pictures in, and out as far as consent allows
export.py    ratings as files
"""
