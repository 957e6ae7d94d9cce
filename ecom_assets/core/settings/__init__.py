"""Settings, one class per subject: the only reader of the environment."""
