//! The admin API: JSON over the Unix socket, and over TCP with a token.
