//! The contract of the facts that services report to compliance, and of the questions that they ask it: the package
//! `levqor.law.v1`.

include!(concat!(env!("OUT_DIR"), "/package.rs"));
