"""The beasts themselves, by how they misbehave; :mod:`gemot.models.bestiary` is where they are named."""
