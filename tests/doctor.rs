//! `levqor doctor` against a mesh that runs: where all is well it says so with evidence, and where one thing is not, exactly
//! its line says which.

mod by_role;
mod certificates;
mod databases;
mod nothing_set;
mod patient;
mod report;
mod settings;
mod to_look_at;
mod vendors;
mod well;
