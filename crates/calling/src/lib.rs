//! Making calls: request items, sending, showing.
