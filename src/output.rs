//! What the commands print: the only place that writes to the terminal.

use std::io::{self, Write};

/// Prints lines to standard output. A closed pipe is no failure.
pub(crate) fn lines(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// Prints lines to standard output, where somebody is there to read them: a terminal that is gone must not keep a process from
/// what it does next.
pub(crate) fn tell(text: &str) {
    let _ = lines(text);
}

/// Prints a remark to standard error: standard output is for what was asked for.
pub(crate) fn remark(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Prints an error with its causes, in one sentence where that is enough.
pub(crate) fn error(error: &anyhow::Error) {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        // A cause that its error repeats says nothing new.
        if !text.contains(&cause) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause);
        }
    }
    // Where standard error is closed there is nobody to tell.
    let _ = writeln!(io::stderr(), "levqor: {text}");
}
