"""Programs of model servers' images that are in no package index; they run on the environment of their image."""
