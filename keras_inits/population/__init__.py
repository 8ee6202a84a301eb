"""Population: many copies of one network trained as one Keras model."""

from keras_inits.population.batches import SeedBatches
from keras_inits.population.learning_rates import MemberLearningRates
from keras_inits.population.population import Population

__all__ = ["MemberLearningRates", "Population", "SeedBatches"]
