"""KerasTuner over initializers: many trials and seeds trained as one population."""

from keras_inits.tuning._oracle import active_values
from keras_inits.tuning.hypermodel import InitializerHyperModel
from keras_inits.tuning.population_tuner import PopulationTuner

__all__ = ["InitializerHyperModel", "PopulationTuner", "active_values"]
