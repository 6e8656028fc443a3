"""Slides from the solutions: one HTML file a lesson, with everything inside it.

    python -m tools.slides            write slides/*.html
    python -m tools.slides 02_seeds   one lesson

`deck` cuts a notebook into slides, `page` makes the HTML. What is said aloud, the lesson's prose,
becomes the speaker's notes; what is shown is code, pictures, lists, and the first sentences.
"""
