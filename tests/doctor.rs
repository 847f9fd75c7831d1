//! `levqor doctor` against a running mesh: if everything works, every line says so with evidence; if one thing is broken, exactly
//! its line says so.

mod by_role;
mod certificates;
mod checked_mesh;
mod databases;
mod nothing_set;
mod report;
mod settings;
mod to_look_at;
mod vendors;
mod well;
