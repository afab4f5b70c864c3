"""Models on servers: of the Hugging Face hub, and in folders that any web server offers."""
