"""Operations that are fast on a GPU because they do several things at once."""
