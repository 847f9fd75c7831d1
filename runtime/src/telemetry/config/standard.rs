//! Reads OpenTelemetry's settings by its rules: a value that cannot be understood is ignored with a warning, and the default
//! applies (Environment Variable Specification). The warnings are written once the log exists.

use std::time::Duration;

use crate::config::{Problem, Reader, Setting};

/// Reads OpenTelemetry's settings, and collects those that it ignores.
#[derive(Debug, Default)]
pub(super) struct Standard(Vec<Problem>);

impl Standard {
    /// Reads a value. The setting's default applies where it is not set, or not understood.
    pub(super) fn read<T>(
        &mut self,
        reader: &mut Reader<'_>,
        setting: &Setting,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let given: Option<String> = reader.optional(setting, expected);
        if let Some(given) = given {
            if let Some(value) = parse(&given) {
                return Some(value);
            }
            self.0.push(Problem {
                setting: setting.name.clone().into_owned(),
                expected: format!("expected {expected}"),
            });
        }
        setting.default.and_then(parse)
    }

    /// Reads a Boolean: `true` or `false`, in upper or lower case. Any other value is ignored.
    pub(super) fn boolean(&mut self, reader: &mut Reader<'_>, setting: &Setting) -> bool {
        let parse = |text: &str| match text.to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        };
        self.read(reader, setting, "`true` or `false`", parse).unwrap_or_default()
    }

    /// A duration in milliseconds, 1 or more.
    pub(super) fn interval(&mut self, reader: &mut Reader<'_>, setting: &Setting) -> Option<Duration> {
        let parse = |text: &str| text.parse().ok().filter(|ms| *ms > 0).map(Duration::from_millis);
        self.read(reader, setting, "a number of milliseconds, 1 or more", parse)
    }

    /// A limit in milliseconds. 0 means no limit in OpenTelemetry; here it means a day, since nothing may wait for ever.
    pub(super) fn timeout(&mut self, reader: &mut Reader<'_>, setting: &Setting) -> Option<Duration> {
        const DAY: Duration = Duration::from_hours(24);
        let parse = |text: &str| match text.parse().ok()? {
            0 => Some(DAY),
            ms => Some(Duration::from_millis(ms).min(DAY)),
        };
        self.read(reader, setting, "a number of milliseconds; 0 is no limit", parse)
    }

    /// The ignored settings.
    pub(super) fn ignored(self) -> Vec<Problem> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Env;

    const FLAG: Setting = Setting::plain("OTEL_FLAG", Some("false"), "A flag.");
    const LIMIT: Setting = Setting::plain("OTEL_LIMIT", Some("10000"), "A limit.");

    fn read<T>(
        setting: &Setting,
        value: &str,
        how: impl Fn(&mut Standard, &mut Reader<'_>) -> T,
    ) -> (T, usize) {
        let env = Env::from_pairs([(setting.name.as_ref(), value)]);
        let (mut reader, mut standard) = (Reader::new(&env), Standard::default());
        let value = how(&mut standard, &mut reader);
        assert!(reader.finish(Some(())).is_ok(), "nothing is refused");
        (value, standard.ignored().len())
    }

    #[test]
    fn only_true_in_upper_or_lower_case_is_true() {
        for (text, value, ignored) in [
            ("true", true, 0),
            ("True", true, 0),
            ("TRUE", true, 0),
            (" tRuE ", true, 0),
            ("false", false, 0),
            ("FALSE", false, 0),
            ("", false, 0),
            ("1", false, 1),
            ("yes", false, 1),
            ("on", false, 1),
        ] {
            let flag = read(&FLAG, text, |standard, reader| standard.boolean(reader, &FLAG));
            assert_eq!(flag, (value, ignored), "{text}");
        }
    }

    #[test]
    fn a_duration_that_is_not_understood_is_ignored() {
        for (text, seconds, ignored) in
            [("5000", 5, 0), ("", 10, 0), ("0", 86_400, 0), ("-1", 10, 1), ("10s", 10, 1), ("1e3", 10, 1)]
        {
            let limit = read(&LIMIT, text, |standard, reader| standard.timeout(reader, &LIMIT));
            assert_eq!(limit, (Some(Duration::from_secs(seconds)), ignored), "{text}");
        }
    }
}
