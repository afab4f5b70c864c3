"""Reading and writing image files, without losing anything in silence."""
