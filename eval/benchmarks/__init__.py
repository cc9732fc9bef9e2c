"""What things cost, as ratios taken in one run. Each module is one command."""
