"""What it takes to hold the simulator against moto and against botocore's service models."""
