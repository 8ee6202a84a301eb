"""Units: which are dead, saturated, constant or copies of each other."""

from keras_inits.diagnostics.units.activity import LayerActivity, activity

__all__ = ["LayerActivity", "activity"]
