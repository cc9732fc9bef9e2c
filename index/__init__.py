"""Documents in, a published index out, and search over it. Knows nothing of HTTP, chat or evaluation."""
