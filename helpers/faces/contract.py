"""What the face service, its client and its network agree on; importing it costs nothing."""

PORT = 7870
"""Where the class's service is looked for; the app has Gradio's own 7860."""

NAME = "face service of the Stable Diffusion course"
"""What its `/about` tells, so that a client knows it from another program on that port."""

FACTORS = (1, 2, 3, 4)
"""How many times as wide and as high a picture may come back."""
