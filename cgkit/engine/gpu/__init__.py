"""How a training step uses a GPU: how it computes, as a CUDA graph, with independent parts at the same time."""
