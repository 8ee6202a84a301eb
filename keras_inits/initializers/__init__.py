"""Initializers: a shape in, a kernel out. One paper a file."""

from keras_inits.initializers.lee_qr import LeeQR
from keras_inits.initializers.rectangular_identity import RectangularIdentity
from keras_inits.initializers.zer_o import ZerO

__all__ = ["LeeQR", "RectangularIdentity", "ZerO"]
