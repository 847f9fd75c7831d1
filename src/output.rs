//! The output of the commands. Only this module writes to the terminal.

use std::io::{self, Write};

/// Prints lines to standard output. A closed pipe is not an error.
pub(crate) fn lines(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// Prints lines to standard output and ignores errors: a terminal that is gone must not stop the process.
pub(crate) fn tell(text: &str) {
    let _ = lines(text);
}

/// Prints a remark to standard error. Standard output is only for the result of the command.
pub(crate) fn remark(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Prints an error and its causes, in one sentence if that is enough.
pub(crate) fn error(error: &anyhow::Error) {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        // A cause whose text is already in the error adds nothing.
        if !text.contains(&cause) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause);
        }
    }
    // If standard error is closed, the message has no reader.
    let _ = writeln!(io::stderr(), "levqor: {text}");
}
