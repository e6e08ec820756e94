"""What can be said of a trained model and of data: scores, calibration, explanations, pictures, reports."""
