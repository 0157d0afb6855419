//! Callgate: the command line and the wiring of the crates behind it.
