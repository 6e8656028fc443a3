"""The client of any face service: `improve_face` and `improve_faces`."""
