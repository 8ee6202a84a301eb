"""What all packages here share, and Keras does not know."""
