"""Face repair: the network, the class's own service, and a client for any such service.

    restorer.py        the network that repairs a face
    service/           the class's own service: a picture and a factor in, the improved picture out
    client/improve.py  improve_face: calls this service, GFP-GAN's, or any Gradio app like it
    client/batch.py    improve_faces: many pictures, a few at once

The client stands on protocols.py (what is said), connection.py (how it travels) and errors.py.
"""
