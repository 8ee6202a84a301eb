"""Population: many copies of one network trained as one Keras model."""

from keras_inits.population.batches import SeedBatches
from keras_inits.population.learning_rates import MemberLearningRates
from keras_inits.population.population import Population

ENGINE = 2
"""Changes whenever a member of a `Population` would come out otherwise than before."""

__all__ = ["ENGINE", "MemberLearningRates", "Population", "SeedBatches"]
