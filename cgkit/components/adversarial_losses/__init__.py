"""How a discriminator's logits become losses."""
