"""The words that the sticker models were trained on, and no others.

A prompt made of these words is understood; any other word is noise to the model. The lists are
used by `training/`, which draws a picture for each, and by the lessons, which point out words
that the model has never seen.
"""

SUBJECTS = (
    "airplane", "alien", "apple", "astronaut", "avocado", "balloon", "banana", "bee", "bicycle",
    "bus", "butterfly", "cactus", "cake", "camera", "car", "castle", "cat", "clown", "crown",
    "dinosaur", "dog", "donut", "elephant", "fish", "fox", "frog", "ghost", "gift", "guitar",
    "hamburger", "heart", "horse", "house", "ice cream", "lion", "monkey", "moon", "mountain",
    "mushroom", "octopus", "owl", "palm tree", "panda", "parrot", "penguin", "pig", "pizza",
    "poodle", "rabbit", "rainbow", "robot", "rocket", "rose", "sailboat", "snowman", "soccer ball",
    "star", "strawberry", "sun", "sunflower", "tiger", "tokyo tower", "train", "tree", "turtle",
    "umbrella", "unicorn", "volcano", "watermelon", "whale",
)  # fmt: skip
STYLES = ("3d", "flat", "cartoon", "simple")
COLOURS = (
    "red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "white", "grey", "black",
)  # fmt: skip
SCENES = {
    "beach": ("on the beach", "at the beach"),
    "night": ("under the night sky", "at night"),
    "meadow": ("in a meadow", "in a green meadow"),
    "city": ("in the city", "in the big city"),
    "snow": ("in the snow", "in a snowy landscape"),
}
BACKGROUNDS = COLOURS + tuple(SCENES)

# Portraits: what the caption may say of a person.
HAIR = {
    "woman": ("long straight", "short straight", "curly", "big curly", "tied up"),
    "man": ("short", "curly", "messy", "wavy"),
}
HAIR_COLOURS = ("black", "brown", "blonde", "red", "grey")
EXPRESSIONS = ("smiling", "sad", "surprised", "serious")
EYEWEAR = ("none", "glasses", "sunglasses")
SKIN_TONES = ("light", "tan", "brown", "dark")
SHIRT_COLOURS = ("red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "white",
                 "grey", "black")  # fmt: skip
