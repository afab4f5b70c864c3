"""The checks of the conformance kit, one module per subject."""
