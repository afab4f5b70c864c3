"""Give a trained model to others, through the Hugging Face hub."""
