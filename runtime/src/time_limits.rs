//! How long calls may take, and how long streams may be silent: the same on both sides of a call.

use std::time::Duration;

/// The deadline of a call that names none.
pub const DEFAULT: Duration = Duration::from_secs(15);
/// The most that a call can ask for.
pub const MAX: Duration = Duration::from_mins(1);
/// The most that an upload can ask for: it may come over a slow line.
pub const UPLOAD: Duration = Duration::from_mins(5);
/// How long a stream of answers may send no message. One that only reads has no other limit.
pub const SILENCE: Duration = Duration::from_mins(1);
