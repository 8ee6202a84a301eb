"""Units: which are dead, saturated, constant or copies of each other."""

from keras_inits.diagnostics.units.activity import Activity, activity
from keras_inits.diagnostics.units.states import LayerActivity

__all__ = ["Activity", "LayerActivity", "activity"]
