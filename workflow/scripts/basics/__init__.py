"""What every program needs: errors, reading, writing, locks and journals."""
