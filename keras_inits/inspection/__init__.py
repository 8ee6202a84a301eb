"""What Keras does not say publicly of a network."""
