"""The course's own web app, for one learner or a class: `make app`, or `python -m helpers app`.

queue.py     draws for everybody with one worker thread, fairly
limits.py    what may be asked for; every request passes here, from the page or past it
visitors.py  who is here: a random cookie each, and how much one may ask for at once
access.py    the password, the cookie, the bounds of uploads
album.py     the pictures that were made, and by which settings
drawing.py   from the engine's pictures to a visitor's album
words.py     how a model reads a prompt
markup.py    HTML with everything escaped
studio.py    what the pages share
answers.py   binds a page's function to an event; whatever goes wrong becomes a sentence
pages/       the pages, one module each
picture_routes.py    the files of pictures
server.py    the pages together, and the server
theme.py, theme.css, app.js    how it looks, and what the browser does beside Gradio
"""

import os

# Read by gradio: no telemetry, no record of runs in the browser.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["GRADIO_RUN_HISTORY"] = "False"
