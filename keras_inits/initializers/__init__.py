"""Initializers: a shape in, a kernel out. One paper a file."""

from keras_inits.initializers.elliptical_projection import OrthoEP, RandomEP
from keras_inits.initializers.gsm import GSM
from keras_inits.initializers.lecun98_uniform import Lecun98Uniform
from keras_inits.initializers.lee_qr import LeeQR
from keras_inits.initializers.rai import RAI
from keras_inits.initializers.rectangular_identity import RectangularIdentity
from keras_inits.initializers.skorski_normal import SkorskiNormal
from keras_inits.initializers.yilmaz_poli import YilmazPoli
from keras_inits.initializers.zer_o import ZerO

__all__ = [
    "GSM",
    "RAI",
    "Lecun98Uniform",
    "LeeQR",
    "OrthoEP",
    "RandomEP",
    "RectangularIdentity",
    "SkorskiNormal",
    "YilmazPoli",
    "ZerO",
]
