//! The admin API as its users meet it: over a real socket, over TCP, and without a gate.

mod acts;
mod calls;
mod document;
mod following;
mod house;
mod problems;
mod remote;
mod without_gate;
