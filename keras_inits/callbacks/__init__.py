"""Callbacks for `fit`."""

from keras_inits.callbacks.dead_unit_monitor import DeadUnitMonitor

__all__ = ["DeadUnitMonitor"]
