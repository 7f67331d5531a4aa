"""Side by side: this project, its peers and a plain Keras loop, at the same work on the same machine."""
