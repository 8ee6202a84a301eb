"""Weight initializers from papers, by name, for Keras.

Importing this package registers every initializer with Keras:

>>> import keras
>>> import keras_inits
>>> layer = keras.layers.Dense(10, "relu", kernel_initializer="lee_qr")

`keras_inits.available()` lists the names.
"""

from keras_inits.initializers import LeeQR, RectangularIdentity, ZerO
from keras_inits.registration import available, get

__version__ = "0.1.0"
__all__ = ["LeeQR", "RectangularIdentity", "ZerO", "available", "get"]
