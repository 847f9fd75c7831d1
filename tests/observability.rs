//! What the mesh shows of itself, and that whoever is on call can rely on it.

mod moves;
mod page;
