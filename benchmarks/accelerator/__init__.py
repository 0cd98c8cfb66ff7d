"""What an accelerator does, held to the processor beside it: `python -m benchmarks.accelerator`."""
