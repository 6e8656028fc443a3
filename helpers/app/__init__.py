"""The course's own web app, for one learner or a class: `make app`, or `python -m helpers app`.

engine.py    draws for everybody with one worker thread, fairly
limits.py    what may be asked for; every request passes here, from the page or past it
album.py     the pictures that were made, and by which settings
markup.py    HTML with everything escaped
studio.py    the three together with the ratings, as the pages get them
generate.py, explore.py, faces.py, rate.py    the four pages
page.py      the pages together, and the server
"""

import os

# Read by gradio: no telemetry, no record of runs in the browser.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["GRADIO_RUN_HISTORY"] = "False"
