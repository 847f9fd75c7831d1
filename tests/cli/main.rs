//! The binary as a newcomer and an operator use it: its commands, its sentences, its exit codes.

mod demo;
mod mistakes;
mod process;
mod serve;
mod up;
