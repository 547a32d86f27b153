"""How it is spoken: one folder per protocol, each with its server half and its client half."""
