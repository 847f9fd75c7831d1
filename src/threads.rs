//! The number of worker threads of the process.

use std::num::NonZeroUsize;

use levqor_runtime::config::{Env, Reader, Setting};

const WORKER_THREADS: Setting = Setting::plain(
    "LEVQOR_WORKER_THREADS",
    None,
    "How many worker threads the process has. Default: half of the machine's processors, at least one. PostgreSQL and the other \
     roles need the other processors, and more threads would only wake each other without work.",
);

pub(crate) fn settings() -> Vec<Setting> {
    vec![WORKER_THREADS]
}

/// Reads the setting and reports a mistake.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<NonZeroUsize> {
    reader.optional(&WORKER_THREADS, "a number of threads, at least 1")
}

/// The number, before any mistake can be reported. A mistake counts as unset here; `read` reports it later.
pub(crate) fn count(env: &Env) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    read(&mut Reader::new(env)).map_or((processors / 2).max(1), NonZeroUsize::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_decides_and_a_mistake_does_not() {
        let count = |value| count(&Env::from_pairs([("LEVQOR_WORKER_THREADS", value)]));
        assert_eq!(count("7"), 7);
        assert_eq!(count("0"), super::count(&Env::from_pairs::<&str, &str>([])));
        assert!(count("many") >= 1);
    }
}
