"""Population: many copies of one network trained as one Keras model."""

from keras_inits.population.batches import SeedBatches
from keras_inits.population.population import Population

__all__ = ["Population", "SeedBatches"]
