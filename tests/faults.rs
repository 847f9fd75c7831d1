//! What the mesh loses when something breaks under it: nothing.

mod postgres_down;
