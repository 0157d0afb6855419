//! The data plane: the life of a call, its policies, the snapshot they are compiled into.
