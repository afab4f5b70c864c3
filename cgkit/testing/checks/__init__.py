"""The checks of the conformance kit, one module a subject."""
