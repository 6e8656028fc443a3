"""From `course/lessons/*.py` to `lessons/`, `solutions/` and `helpers/course/exercises.json`.

    python -m tools.notebooks                 build everything
    python -m tools.notebooks 02_seeds        build one lesson
    python -m tools.notebooks --check         build nothing; fail when a product is out of date

`scripts` reads a script into cells, `marks` turns solution marks into blanks, `rules` says what a
lesson must keep to, `products` makes notebooks and runs them. CONTRIBUTING.md shows the format.
"""
