"""The LightningModules, and what they are made of besides encoders and decoders."""
